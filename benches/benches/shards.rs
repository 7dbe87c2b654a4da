//! What two cores carry, and one: commands of 64 sessions that trade on both.

use benches::measure::{Bench, Unit, Value, on_cpu};
use benches::shards::{one, two};

/// Commands of a core.
const COMMANDS: usize = 1_000_000;

const ROUNDS: usize = 5;

fn main() {
    let bench = Bench::new("shards");
    let (mut alone, mut both, mut ratio, mut relays) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let one = on_cpu(0, || one(COMMANDS));
        let two = two(COMMANDS);
        alone.push(Value::millions_per_second(one.together, COMMANDS as u64));
        both.push(Value::millions_per_second(two.together, 2 * COMMANDS as u64));
        // In hundredths.
        let (one_ns, two_ns) = (one.together.as_nanos(), two.together.as_nanos());
        ratio.push(Value(u64::try_from(200 * one_ns / two_ns.max(1)).unwrap_or(0)));
        relays.push(Value(two.relays.0 as u64 * 10_000 / COMMANDS as u64));
    }
    bench.figure("shards/one core", Unit::MillionsPerSecond, alone);
    bench.figure("shards/two cores", Unit::MillionsPerSecond, both);
    bench.figure("shards/two cores, times one", Unit::Ratio, ratio);
    bench.figure("shards/two cores, Relays of the other's commands", Unit::Percent, relays);
}
