//! A record a row, in Apache Parquet: the columns of the CSV with their types. Decimals have nine places
//! and lose none.

use std::io::Write;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int64Type,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;

use crate::describe;
use crate::failure::Failure;
use crate::fields::{COLUMNS, Field, Kind, Record};
use crate::select::{Turn, Turns};

/// Rows that are kept in memory and written together.
const ROWS_A_GROUP: usize = 1 << 16;

/// Places of a decimal: the most that an instrument has.
const DECIMALS: u8 = 9;

/// Writes the records that are asked for.
pub(super) struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    rows: Vec<Record>,
    /// Records written.
    pub(super) records: u64,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(out: W) -> Result<Parquet<W>, Failure> {
        let columns: String = COLUMNS
            .iter()
            .map(|(_, name, kind, _)| match kind {
                Kind::Number => format!("OPTIONAL INT64 {name} (INTEGER(64,false)); "),
                Kind::Time => format!("OPTIONAL INT64 {name} (TIMESTAMP(NANOS,true)); "),
                Kind::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8); "),
                Kind::Decimal => {
                    format!("OPTIONAL FIXED_LEN_BYTE_ARRAY (16) {name} (DECIMAL(38,{DECIMALS})); ")
                }
            })
            .collect();
        let schema = parse_message_type(&format!("message record {{ {columns} }}"));
        let schema = Arc::new(schema.map_err(Failure::failed)?);
        let properties = Arc::new(
            WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build(),
        );
        let writer = SerializedFileWriter::new(out, schema, properties).map_err(Failure::failed)?;
        Ok(Parquet { writer, rows: Vec::new(), records: 0 })
    }

    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.group().map_err(Failure::failed)?;
        self.writer.close().map_err(Failure::failed)?;
        Ok(())
    }

    fn record(&mut self, record: Record) -> Result<(), Failure> {
        self.records += 1;
        self.rows.push(record);
        if self.rows.len() < ROWS_A_GROUP { Ok(()) } else { self.group().map_err(Failure::failed) }
    }

    /// Writes the rows kept as a group, a column after the other.
    fn group(&mut self) -> Result<(), ParquetError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let mut group = self.writer.next_row_group()?;
        for (column, _, kind, _) in COLUMNS {
            let fields = rows.iter().map(|row| row.get(*column));
            match kind {
                Kind::Number | Kind::Time => {
                    write::<W, Int64Type>(&mut group, fields.map(|it| it.map(whole)))?;
                }
                Kind::Text => {
                    write::<W, ByteArrayType>(&mut group, fields.map(|it| it.map(words)))?;
                }
                Kind::Decimal => {
                    write::<W, FixedLenByteArrayType>(
                        &mut group,
                        fields.map(|it| it.map(decimal)),
                    )?;
                }
            }
        }
        group.close()?;
        Ok(())
    }
}

/// Writes one column of a group; a row without the field has no value.
fn write<W: Write + Send, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    fields: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for field in fields {
        levels.push(i16::from(field.is_some()));
        values.extend(field);
    }
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has fewer columns".into()));
    };
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}

/// The bits of a whole number or of a time.
fn whole(field: &Field) -> i64 {
    match field {
        Field::Number(number) => number.cast_signed(),
        Field::Time(time) => time.0.cast_signed(),
        Field::Decimal(_) | Field::Text(_) => 0,
    }
}

fn words(field: &Field) -> ByteArray {
    match field {
        Field::Text(text) => ByteArray::from(text.as_str()),
        other => ByteArray::from(other.to_string().as_str()),
    }
}

/// Big endian, in units of the last of [`DECIMALS`] places.
fn decimal(field: &Field) -> FixedLenByteArray {
    let units = match field {
        Field::Decimal(it) => {
            it.mantissa * 10_i128.pow(u32::from(DECIMALS.saturating_sub(it.decimals)))
        }
        _ => 0,
    };
    FixedLenByteArray::from(ByteArray::from(units.to_be_bytes().to_vec()))
}

impl<W: Write + Send> Turns for Parquet<W> {
    fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        let Turn { head, events, names, filter } = turn;
        if filter.shows_kind(describe::command_kind(&head.input.command)) {
            self.record(Record::input(head, names))?;
        }
        for (index, event) in (0..).zip(*events) {
            if filter.shows_kind(describe::event_kind(event)) {
                self.record(Record::event(head, index, event, names))?;
            }
        }
        Ok(())
    }
}
