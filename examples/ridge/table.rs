//! Reading a table of numbers, with errors that say where.

use csv::{ByteRecord, ReaderBuilder};
use std::fmt;
use std::path::Path;

/// The fewest rows that make three parts worth having.
pub const FEWEST_ROWS: usize = 8;

/// The longest piece of a cell that an error quotes.
const QUOTED: usize = 40;

/// Rows of features, and a target for each.
#[derive(Debug)]
pub struct Table {
    /// The names of the features, from the header or made up.
    pub features: Vec<String>,
    /// The name of the target.
    pub target: String,
    /// One row of features after the other.
    pub rows: Vec<f64>,
    /// One target for each row.
    pub targets: Vec<f64>,
}

/// What is wrong with a table, and where: lines and columns of the file, from 1.
#[derive(Debug)]
pub struct TableError {
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {}", self.message),
            (Some(line), None) => write!(f, "line {line}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for TableError {}

fn whole(message: impl Into<String>) -> TableError {
    TableError { line: None, column: None, message: message.into() }
}

fn at_line(line: usize, message: impl Into<String>) -> TableError {
    TableError { line: Some(line), column: None, message: message.into() }
}

fn at_cell(line: usize, column: usize, message: impl Into<String>) -> TableError {
    TableError { line: Some(line), column: Some(column), message: message.into() }
}

/// Reads a file of comma-separated numbers, with or without a header line.
pub fn read(path: &Path) -> Result<Table, TableError> {
    let bytes = std::fs::read(path).map_err(|error| whole(error.to_string()))?;
    parse(&bytes)
}

/// Parses comma-separated numbers. The first line is a header if none of its cells is a number.
pub fn parse(bytes: &[u8]) -> Result<Table, TableError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    check_text(bytes)?;
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = ByteRecord::new();
    let mut table = None;
    let mut last_line = 1;
    while reader.read_byte_record(&mut record).map_err(|error| whole(error.to_string()))? {
        last_line = line_of(bytes, &record);
        match &mut table {
            None => table = Some(first_line(&record, last_line)?),
            Some(table) => push_row(table, &record, last_line)?,
        }
    }
    let table = table.ok_or_else(|| at_line(1, "the file is empty"))?;
    match table.targets.len() {
        0 => Err(at_line(last_line, "a header, and no rows after it")),
        rows if rows < FEWEST_ROWS => {
            Err(at_line(last_line, format!("the table ends after {rows} rows; at least {FEWEST_ROWS} are needed")))
        }
        _ => Ok(table),
    }
}

/// Checks that the file is UTF-8.
fn check_text(bytes: &[u8]) -> Result<(), TableError> {
    let Err(error) = std::str::from_utf8(bytes) else {
        return Ok(());
    };
    let (before, rest) = bytes.split_at(error.valid_up_to());
    let start = before.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |end| end + 1);
    let found = rest.first().map_or(String::new(), |byte| format!(": found the byte 0x{byte:02x}"));
    let column = before[start..].iter().filter(|byte| **byte == b',').count() + 1;
    Err(at_cell(lines_before(before), column, format!("this is not UTF-8 text{found}")))
}

/// The line on which the next byte after these is, where a line ends with \n, \r\n or \r.
fn lines_before(bytes: &[u8]) -> usize {
    let ends = |(i, byte): (usize, &u8)| *byte == b'\n' || (*byte == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
    1 + bytes.iter().enumerate().filter(|pair| ends(*pair)).count()
}

/// The line on which a record starts. (The reader's own count is that of the empty lines before it.)
fn line_of(bytes: &[u8], record: &ByteRecord) -> usize {
    let offset = record.position().map_or(0, |position| position.byte() as usize).min(bytes.len());
    let empty = bytes[offset..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    lines_before(&bytes[..offset + empty])
}

/// The header, or the first row under names made up for it.
fn first_line(record: &ByteRecord, line: usize) -> Result<Table, TableError> {
    if record.len() < 2 {
        let message = "one column, but features and a target are needed (is the separator a comma?)";
        return Err(at_cell(line, 1, message));
    }
    let header = record.iter().all(|cell| number(cell).is_none());
    let mut names: Vec<String> = (1..=record.len())
        .zip(record)
        .map(|(column, cell)| match String::from_utf8_lossy(cell).trim() {
            name if header && !name.is_empty() => name.replace(char::is_control, " "),
            _ => format!("column {column}"),
        })
        .collect();
    let target = names.pop().unwrap_or_default();
    let mut table = Table { features: names, target, rows: Vec::new(), targets: Vec::new() };
    if !header {
        push_row(&mut table, record, line)?;
    }
    Ok(table)
}

/// Adds one row.
fn push_row(table: &mut Table, record: &ByteRecord, line: usize) -> Result<(), TableError> {
    let expected = table.features.len() + 1;
    if record.len() != expected {
        let first_wrong = record.len().min(expected) + 1;
        let message = format!("the row ends after {} columns; the first line has {expected}", record.len());
        return Err(at_cell(line, first_wrong, message));
    }
    for (column, cell) in (1..).zip(record) {
        let value = number(cell).ok_or_else(|| at_cell(line, column, format!("{} is not a number", quoted(cell))))?;
        if !value.is_finite() {
            return Err(at_cell(line, column, format!("{} is not a finite number", quoted(cell))));
        }
        if column == expected { table.targets.push(value) } else { table.rows.push(value) }
    }
    Ok(())
}

fn number(cell: &[u8]) -> Option<f64> {
    std::str::from_utf8(cell).ok()?.trim().parse().ok()
}

/// The cell in quotes, on one line and cut to a length that can be read.
fn quoted(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let start: String = text.chars().take(QUOTED).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("{start:?}{more}")
}
