//! A recorded order flow: commands, and what the exchange they come from did.
//!
//! A flow is a folder with `commands.csv`, `fills.csv` and `rows.csv`. Prices are in 1/10,000 of the
//! currency, quantities in shares. [`Flow::read`] takes nothing that is not exactly so; [`Flow::plan`]
//! turns the commands into requests that a venue understands.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use matcher::Side;

/// A recorded flow and its expected results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// What was asked, in order; the n-th has number n, from 0.
    pub commands: Vec<FlowCommand>,
    /// The trades, in matching order.
    pub fills: Vec<FlowFill>,
    /// The book after some of the commands, in order.
    pub rows: Vec<FlowRow>,
}

/// One command of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowCommand {
    /// Nanoseconds since midnight.
    pub since_midnight_ns: u64,
    /// What to do.
    pub action: Action,
    /// The order: for [`Action::New`], [`Action::Ioc`] and [`Action::Replace`] one not seen before.
    pub oid: u64,
    /// Its side.
    pub side: Side,
    /// In 1/10,000.
    pub price: i64,
    /// In shares: to enter, or for [`Action::Reduce`] to take off.
    pub qty: u64,
}

/// What a command of a flow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Enters a limit order whose rest stays on the book.
    New,
    /// Enters a limit order whose rest is thrown away.
    Ioc,
    /// Takes `qty` off, the place stays; if that is all, the order is gone.
    Reduce,
    /// Takes off what is left.
    Cancel,
    /// Cancels this order and enters `oid` at a new place.
    Replace {
        /// The order to cancel.
        old: u64,
    },
}

/// One trade of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowFill {
    /// The command whose order was the taker.
    pub n: usize,
    /// The order that was resting.
    pub maker_oid: u64,
    /// In 1/10,000.
    pub price: i64,
    /// In shares.
    pub qty: u64,
}

/// The book at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRow {
    /// The command that made it so; `None` before the first.
    pub after: Option<usize>,
    /// Lowest asks; `None` where there is no further level.
    pub asks: Vec<Option<Level>>,
    /// Highest bids; as many as `asks`.
    pub bids: Vec<Option<Level>>,
}

/// Price in 1/10,000, total quantity in shares.
pub type Level = (i64, u64);

/// Why a flow cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowError {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; `None` if the file cannot be read at all.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.what),
            None => write!(f, "{}: {}", self.file.display(), self.what),
        }
    }
}

impl std::error::Error for FlowError {}

const COMMANDS_HEAD: &str = "n,ts,cmd,oid,old,side,price,qty,flag,msg,src_id";
const FILLS_HEAD: &str = "n,maker_oid,price,qty";
const ROWS_HEAD: &str = "after_n,oracle,row,depth,kind,";

impl Flow {
    /// Reads the three files of `dir`.
    ///
    /// # Errors
    ///
    /// The first line that is not as the format wants it.
    pub fn read(dir: &Path) -> Result<Flow, FlowError> {
        let commands = Lines::read(dir, "commands.csv")?.each(COMMANDS_HEAD, command)?;
        let len = commands.len();
        let fills = Lines::read(dir, "fills.csv")?.each(FILLS_HEAD, |_, line| fill(line, len))?;
        let rows = Lines::read(dir, "rows.csv")?.each(ROWS_HEAD, |_, line| row(line, len))?;
        for (file, line) in [
            ("fills.csv", fills.windows(2).position(|two| two[0].n > two[1].n)),
            ("rows.csv", rows.windows(2).position(|two| two[0].after > two[1].after)),
        ] {
            if let Some(before) = line {
                let what = "goes back to an earlier command".into();
                return Err(FlowError { file: dir.join(file), line: Some(before + 3), what });
            }
        }
        Ok(Flow { commands, fills, rows })
    }

    /// The trades that command `n` must make, in order.
    #[must_use]
    pub fn fills_of(&self, n: usize) -> &[FlowFill] {
        let from = self.fills.partition_point(|fill| fill.n < n);
        let to = self.fills.partition_point(|fill| fill.n <= n);
        &self.fills[from..to]
    }

    /// The rows after command `n`, or before the first.
    #[must_use]
    pub fn rows_after(&self, after: Option<usize>) -> &[FlowRow] {
        let from = self.rows.partition_point(|row| row.after < after);
        let to = self.rows.partition_point(|row| row.after <= after);
        &self.rows[from..to]
    }

    /// The same flow, ended after `commands` commands.
    #[must_use]
    pub fn cut(mut self, commands: usize) -> Flow {
        self.commands.truncate(commands);
        self.fills.retain(|fill| fill.n < commands);
        self.rows.retain(|row| row.after.is_none_or(|n| n < commands));
        self
    }

    /// What to ask a venue, command by command, the orders spread over `sessions` sessions. What
    /// belongs to an order goes over the session that entered it.
    ///
    /// A replace's quantity says what is to be left, while a venue is told the order's whole quantity
    /// with what has traded: what has traded is taken from the expected fills.
    ///
    /// # Errors
    ///
    /// The number of a command that cannot follow from those before, and why.
    ///
    /// # Panics
    ///
    /// If there are no sessions.
    pub fn plan(&self, sessions: usize) -> Result<Vec<Step>, PlanError> {
        /// Orders in a row that one session enters. Between sessions a player has to wait for the
        /// answer, so that the order of arrival is that of the file; within one it has not.
        const RUN_MAX: usize = 64;
        assert!(sessions > 0);
        let run = (self.commands.len() / (8 * sessions)).clamp(1, RUN_MAX);
        let mut orders: HashMap<u64, Planned> = HashMap::new();
        let mut steps = Vec::with_capacity(self.commands.len());
        for (n, command) in self.commands.iter().enumerate() {
            let fault = |what| PlanError { n, what };
            let step = plan_one(n, command, &mut orders, (run, sessions)).map_err(fault)?;
            for fill in self.fills_of(n) {
                for oid in [fill.maker_oid, command.oid] {
                    let order = orders.get_mut(&oid);
                    let order = order.ok_or(fault("a fill names an order that does not work"))?;
                    order.cum_qty += fill.qty;
                    if order.cum_qty > order.order_qty {
                        return Err(fault("a fill takes more than is left of an order"));
                    }
                }
            }
            steps.push(step);
        }
        Ok(steps)
    }
}

/// Why a flow cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The command.
    pub n: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command {}: {}", self.n, self.what)
    }
}

impl std::error::Error for PlanError {}

/// What to ask a venue for one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Over which session, from 0.
    pub session: usize,
    /// What to take off first, if the command needs two requests.
    pub first: Option<Request>,
    /// What to ask.
    pub request: Request,
}

/// A request to a venue. `target` is the command after which the order has its present name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Enters an order.
    New {
        /// Its side.
        side: Side,
        /// In 1/10,000.
        price: i64,
        /// In shares.
        qty: u64,
        /// Whether the rest is thrown away.
        ioc: bool,
    },
    /// Takes an order off.
    Cancel {
        /// The command that named it.
        target: usize,
        /// Its side.
        side: Side,
    },
    /// Changes an order.
    Replace {
        /// The command that named it.
        target: usize,
        /// Its side.
        side: Side,
        /// In 1/10,000.
        price: i64,
        /// The whole order in shares, with what has traded.
        order_qty: u64,
        /// Whether it keeps its place.
        keeps_place: bool,
    },
}

/// An order as the plan knows it.
#[derive(Clone, Copy, Debug)]
struct Planned {
    session: usize,
    side: Side,
    price: i64,
    order_qty: u64,
    cum_qty: u64,
    named_by: usize,
}

impl Planned {
    /// Whether a command for `side` can mean it.
    fn works(&self, side: Side) -> bool {
        self.cum_qty < self.order_qty && self.side == side
    }
}

fn plan_one(
    n: usize,
    command: &FlowCommand,
    orders: &mut HashMap<u64, Planned>,
    (run, sessions): (usize, usize),
) -> Result<Step, &'static str> {
    let FlowCommand { action, oid, side, price, qty, .. } = *command;
    let unknown = "names an order that does not work, or one of the other side";
    let new = |session, ioc| {
        let order = Planned { session, side, price, order_qty: qty, cum_qty: 0, named_by: n };
        (order, Step { session, first: None, request: Request::New { side, price, qty, ioc } })
    };
    let fresh = matches!(action, Action::New | Action::Ioc | Action::Replace { .. });
    if fresh && (orders.contains_key(&oid) || qty == 0) {
        return Err("enters an order of nothing or one that is known already");
    }
    match action {
        Action::New | Action::Ioc => {
            let session = usize::try_from(oid).unwrap_or(0) / run % sessions;
            let (order, step) = new(session, action == Action::Ioc);
            orders.insert(oid, order);
            Ok(step)
        }
        Action::Reduce => {
            let order = orders.get_mut(&oid).filter(|order| order.works(side)).ok_or(unknown)?;
            let leaves_qty = order.order_qty - order.cum_qty;
            let session = order.session;
            if qty == 0 || qty > leaves_qty {
                return Err("takes off nothing or more than is left");
            }
            let target = std::mem::replace(&mut order.named_by, n);
            if qty == leaves_qty {
                orders.remove(&oid);
                return Ok(Step {
                    session,
                    first: None,
                    request: Request::Cancel { target, side },
                });
            }
            order.order_qty -= qty;
            let (price, order_qty, keeps_place) = (order.price, order.order_qty, true);
            let request = Request::Replace { target, side, price, order_qty, keeps_place };
            Ok(Step { session, first: None, request })
        }
        Action::Cancel => {
            let order = orders.remove(&oid).filter(|order| order.works(side)).ok_or(unknown)?;
            let request = Request::Cancel { target: order.named_by, side };
            Ok(Step { session: order.session, first: None, request })
        }
        Action::Replace { old } => {
            let order = orders.remove(&old).filter(|order| order.works(side)).ok_or(unknown)?;
            let (session, target) = (order.session, order.named_by);
            let order_qty = order.cum_qty + qty;
            // A venue keeps the place of an order that only gets smaller; this one is to lose it.
            if price == order.price && order_qty < order.order_qty {
                let (order, step) = new(session, false);
                orders.insert(oid, order);
                return Ok(Step { first: Some(Request::Cancel { target, side }), ..step });
            }
            let cum_qty = order.cum_qty;
            orders.insert(oid, Planned { session, side, price, order_qty, cum_qty, named_by: n });
            let keeps_place = false;
            let request = Request::Replace { target, side, price, order_qty, keeps_place };
            Ok(Step { session, first: None, request })
        }
    }
}

/// The lines of one file.
struct Lines {
    file: PathBuf,
    text: String,
}

impl Lines {
    fn read(dir: &Path, name: &str) -> Result<Lines, FlowError> {
        let file = dir.join(name);
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(Lines { file, text }),
            Err(error) => {
                let what = format!("cannot be read: {error}");
                Err(FlowError { file, line: None, what })
            }
        }
    }

    fn each<T>(
        self,
        head: &str,
        parse: impl Fn(usize, &str) -> Result<T, String>,
    ) -> Result<Vec<T>, FlowError> {
        let fault = |line: usize, what: String| FlowError {
            file: self.file.clone(),
            line: Some(line),
            what,
        };
        let mut lines = self.text.lines();
        if !lines.next().is_some_and(|line| line.starts_with(head)) {
            return Err(fault(1, format!("must begin with {head:?}")));
        }
        let mut values = Vec::new();
        for (index, line) in lines.enumerate() {
            values.push(parse(index, line).map_err(|what| fault(index + 2, what))?);
        }
        Ok(values)
    }
}

fn fields<const N: usize>(line: &str) -> Result<[&str; N], String> {
    let fields: Vec<&str> = line.split(',').collect();
    let found = fields.len();
    fields.try_into().map_err(|_| format!("has {found} fields instead of {N}"))
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} is {text:?}, which is no number of its kind"))
}

fn command(index: usize, line: &str) -> Result<FlowCommand, String> {
    let [n, ts, cmd, oid, old, side, price, qty, ..] = fields::<11>(line)?;
    if number::<usize>("n", n)? != index {
        return Err(format!("n is {n} where {index} must follow"));
    }
    let action = match cmd {
        "NEW" => Action::New,
        "IOC" => Action::Ioc,
        "REDUCE" => Action::Reduce,
        "CANCEL" => Action::Cancel,
        "REPLACE" => Action::Replace { old: number("old", old)? },
        _ => return Err(format!("cmd is {cmd:?}; it must be NEW, IOC, REDUCE, CANCEL or REPLACE")),
    };
    if !old.is_empty() && !matches!(action, Action::Replace { .. }) {
        return Err(format!("old is {old:?} but cmd is {cmd}"));
    }
    Ok(FlowCommand {
        since_midnight_ns: number("ts", ts)?,
        action,
        oid: number("oid", oid)?,
        side: match side {
            "B" => Side::Buy,
            "S" => Side::Sell,
            _ => return Err(format!("side is {side:?}; it must be B or S")),
        },
        price: number("price", price)?,
        qty: number("qty", qty)?,
    })
}

fn fill(line: &str, commands: usize) -> Result<FlowFill, String> {
    let [n, maker_oid, price, qty] = fields::<4>(line)?;
    let fill = FlowFill {
        n: number("n", n)?,
        maker_oid: number("maker_oid", maker_oid)?,
        price: number("price", price)?,
        qty: number("qty", qty)?,
    };
    if fill.n >= commands || fill.qty == 0 {
        return Err("names a command that is not there, or trades nothing".into());
    }
    Ok(fill)
}

fn row(line: &str, commands: usize) -> Result<FlowRow, String> {
    let mut parts = line.split(',');
    let mut next = |name: &str| parts.next().ok_or_else(|| format!("has no {name}"));
    let after = match number::<i64>("after_n", next("after_n")?)? {
        -1 => None,
        n => Some(usize::try_from(n).map_err(|_| format!("after_n is {n}"))?),
    };
    if after.is_some_and(|n| n >= commands) {
        return Err("names a command that is not there".into());
    }
    let (_oracle, _row) = (next("oracle")?, next("row")?);
    let depth: usize = number("depth", next("depth")?)?;
    let _kind = next("kind")?;
    let levels: Vec<&str> = parts.collect();
    if levels.len() != depth * 4 {
        return Err(format!("has {} fields of levels instead of 4 × {depth}", levels.len()));
    }
    let level = |price: &str, qty: &str| -> Result<Option<Level>, String> {
        let (price, qty): (i64, u64) = (number("price", price)?, number("quantity", qty)?);
        Ok((qty != 0).then_some((price, qty)))
    };
    let mut row = FlowRow { after, asks: Vec::new(), bids: Vec::new() };
    for four in levels.chunks_exact(4) {
        row.asks.push(level(four[0], four[1])?);
        row.bids.push(level(four[2], four[3])?);
    }
    Ok(row)
}
