//! `vesta export` to the formats that need crates of their own, read back by those crates.

use std::fs;

use crate::support::{Folder, make_journal, run};

#[test]
fn a_format_that_is_not_built_says_how_to_get_it() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let out = folder.path().join("out");
    for (format, is_built) in
        [("parquet", cfg!(feature = "parquet")), ("dbn", cfg!(feature = "dbn"))]
    {
        let dir = journal.to_str().unwrap();
        let ended = run(&["export", dir, "--format", format, "--out", out.to_str().unwrap()]);
        if is_built {
            ended.assert_good();
            fs::remove_file(&out).unwrap();
        } else {
            ended.assert_says(2, &["--features", format]);
            assert!(!out.exists());
        }
    }
}

#[cfg(feature = "parquet")]
mod parquet {
    use std::fs::File;

    use ::parquet::basic::LogicalType;
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::Field;

    use super::{Folder, make_journal, run};

    #[test]
    fn rows_hold_every_record() {
        let folder = Folder::new();
        let journal = make_journal(&folder);
        let dir = journal.to_str().unwrap();
        let out = folder.path().join("journal.parquet");
        let args = ["export", dir, "--format", "parquet", "--json", "--out", out.to_str().unwrap()];
        let ended = run(&args);
        ended.assert_good();
        let stat = run(&["journal", "stat", dir, "--json"]).json();
        let sum = |of: &str| -> u64 {
            stat[of].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
        };
        let reader = SerializedFileReader::new(File::open(&out).unwrap()).unwrap();
        let rows = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap();
        assert_eq!(rows, sum("inputs") + sum("events"));
        assert_eq!(ended.json()["records"], rows);
        let schema = reader.metadata().file_metadata().schema_descr();
        let price =
            (0..schema.num_columns()).map(|i| schema.column(i)).find(|it| it.name() == "Price");
        let decimal = price.unwrap().logical_type_ref().cloned();
        assert!(matches!(decimal, Some(LogicalType::Decimal { .. })), "{decimal:?}");
        let (mut trades, mut traded, mut last) = (0, 0_i128, 0);
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let field = |name: &str| {
                row.get_column_iter().find(|(column, _)| *column == name).unwrap().1.clone()
            };
            let Field::ULong(sequence) = field("Sequence") else {
                panic!("{:?}", field("Sequence"))
            };
            assert!(sequence == last || sequence == last + 1);
            last = sequence;
            if field("Kind") == Field::Str("traded".into()) {
                let Field::Decimal(qty) = field("LastQty") else {
                    panic!("{:?}", field("LastQty"))
                };
                let bytes: [u8; 16] = qty.data().try_into().unwrap();
                assert_eq!(qty.scale(), 9);
                traded += i128::from_be_bytes(bytes);
                trades += 1;
                assert_eq!(field("ContraCompID"), Field::Str("MAKER".into()));
                assert_eq!(field("DisplayQty"), Field::Null);
            }
        }
        assert_eq!((trades, traded), (2, 2_500_000_000));
        assert_eq!(stat["last_sequence"], last);
    }
}

#[cfg(feature = "dbn")]
mod dbn {
    use std::collections::BTreeMap;

    use ::dbn::MboMsg;
    use ::dbn::decode::{DbnMetadata, DecodeRecord, dbn::Decoder};

    use super::{Folder, run};
    use crate::support::{MAKER, Market, TAKER};

    /// The book that a reader of MBO records has at the end is ours, and the trades are.
    #[test]
    fn the_book_is_ours() {
        let folder = Folder::new();
        let mut market = Market::open(&folder);
        for (id, qty) in [("a", "1.0"), ("b", "2.0"), ("c", "3.0")] {
            market.order(MAKER, id, b'2', qty, "50000.00");
        }
        market.order(MAKER, "d", b'1', "4.0", "49999.00");
        market.order(TAKER, "t", b'1', "1.5", "50000.00");
        market.replace((MAKER, "c2", "c"), (b'2', "2.5", "50000.00"));
        market.replace((MAKER, "d2", "d"), (b'1', "4.0", "49998.00"));
        market.order(MAKER, "e", b'2', "0.3", "50002.00");
        market.cancel_side(MAKER, "f", "e", b'2');
        let journal = market.close(&folder);
        let dir = journal.to_str().unwrap();
        let out = folder.path().join("mbo.dbn");
        let args = ["export", dir, "--format", "dbn", "--json", "--out", out.to_str().unwrap()];
        let ended = run(&args);
        ended.assert_good();

        let mut decoder = Decoder::from_file(&out).unwrap();
        assert_eq!(decoder.metadata().symbols, ["BTC-USD"]);
        assert_eq!(decoder.metadata().mappings[0].intervals[0].symbol, "0");
        let mut book: BTreeMap<u64, (u8, i64, u32)> = BTreeMap::new();
        let (mut records, mut traded, mut filled) = (0_u64, 0, 0);
        while let Some(record) = decoder.decode_record::<MboMsg>().unwrap() {
            records += 1;
            assert_eq!((record.hd.instrument_id, record.ts_recv), (0, record.hd.ts_event));
            let side = u8::try_from(record.side).unwrap();
            match u8::try_from(record.action).unwrap() {
                b'A' => {
                    let order = (side, record.price, record.size);
                    assert!(book.insert(record.order_id, order).is_none());
                }
                b'M' => {
                    let order = book.get_mut(&record.order_id).unwrap();
                    assert_eq!((order.0, order.1), (side, record.price));
                    order.2 = record.size;
                }
                b'C' => {
                    let order = book.get_mut(&record.order_id).unwrap();
                    assert_eq!((order.0, order.1), (side, record.price));
                    order.2 -= record.size;
                    if order.2 == 0 {
                        book.remove(&record.order_id);
                    }
                }
                b'T' => traded += record.size,
                b'F' => filled += record.size,
                other => panic!("action {other}"),
            }
        }
        assert_eq!((traded, filled), (15, 15));
        assert_eq!(ended.json()["records"], records);
        let ours = run(&["book", dir, "--symbol", "BTC-USD", "--orders", "--json"]).json();
        let mut wanted = Vec::new();
        for (side, orders) in [(b'B', "bid_orders"), (b'A', "ask_orders")] {
            for order in ours[orders].as_array().unwrap() {
                let digits = |field: &str| -> i64 {
                    order[field].as_str().unwrap().replace('.', "").parse().unwrap()
                };
                let size = u32::try_from(digits("qty")).unwrap();
                let id = order["order_ref"].as_u64().unwrap();
                wanted.push((id, (side, digits("price") * 10_000_000, size)));
            }
        }
        wanted.sort_unstable();
        assert_eq!(book.into_iter().collect::<Vec<_>>(), wanted);
    }
}
