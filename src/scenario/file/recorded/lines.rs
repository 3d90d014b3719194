//! A CSV file, record by record. It may be far larger than the memory: only the current record is kept.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::Ordering;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{Halt, Reading};
use crate::scenario::file::shape::recorded::Column;
use crate::scenario::nearest::nearest;

/// Largest file that is read.
const MOST_BYTES: u64 = 4 << 30;
/// Longest record: what is longer is no line of a log, but has lost its end.
const MOST_RECORD: usize = 1 << 20;
/// Bytes read at once, and between two looks at an interruption.
const CHUNK: usize = 1 << 16;
/// What columns may be separated by where it is not a comma.
const OTHER_SEPARATORS: [(char, &str); 3] = [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];

/// The records of a file, and a hash of its bytes so far.
pub struct Lines<'a, R> {
    input: BufReader<R>,
    reading: Reading<'a>,
    core: Reader,
    record: Vec<u8>,
    ends: Vec<usize>,
    fields: usize,
    /// Line on which the current record begins, from 1.
    line: u64,
    /// Line that is read next.
    next_line: u64,
    bytes: u64,
    hash: u64,
    records: u64,
    /// The current record is given out once more.
    again: bool,
}

impl<'a> Lines<'a, File> {
    /// The records of a file.
    ///
    /// # Errors
    /// Says why it cannot be read.
    pub fn open(path: &Path, reading: Reading<'a>) -> Result<Lines<'a, File>, Halt> {
        let cannot = |error: std::io::Error| Halt::wrong(format!("cannot be read: {error}"));
        let file = File::open(path).map_err(cannot)?;
        if file.metadata().map_err(cannot)?.len() > MOST_BYTES {
            return Err(too_large());
        }
        Ok(Lines::new(file, reading))
    }
}

impl<'a, R: Read> Lines<'a, R> {
    /// The records of what `input` gives.
    pub fn new(input: R, reading: Reading<'a>) -> Lines<'a, R> {
        Lines {
            input: BufReader::with_capacity(CHUNK, input),
            reading,
            core: ReaderBuilder::new().build(),
            record: vec![0; 1 << 10],
            ends: vec![0; 64],
            fields: 0,
            line: 0,
            next_line: 1,
            bytes: 0,
            hash: FNV_START,
            records: 0,
            again: false,
        }
    }

    /// Reads the next record; false at the end of the file.
    pub fn next(&mut self) -> Result<bool, Halt> {
        if std::mem::take(&mut self.again) {
            return Ok(true);
        }
        loop {
            if !self.skip()? || !self.read()? {
                return Ok(false);
            }
            // A line of blanks is an empty one.
            if self.fields > 1 || !self.field(0).is_empty() {
                self.records += 1;
                return Ok(true);
            }
        }
    }

    /// A field of the current record without the blanks around it; nothing if there are not so many.
    pub fn field(&self, index: usize) -> &[u8] {
        if index >= self.fields {
            return b"";
        }
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.record[start..self.ends[index]].trim_ascii()
    }

    /// A field as text.
    pub fn text(&self, index: usize) -> String {
        String::from_utf8_lossy(self.field(index)).into_owned()
    }

    /// The line on which the current record begins, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// True for the first record, which may be a header.
    pub fn is_first(&self) -> bool {
        self.records == 1
    }

    /// A hash of the bytes read so far, of all of them at the end.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The indices of these columns. A header that names one of them is passed over.
    pub fn columns<const N: usize>(&mut self, wanted: [&Column; N]) -> Result<[usize; N], Halt> {
        if !self.next()? {
            return Err(Halt::wrong("no line with a value".to_owned()));
        }
        if let Some(separators) = self.other_separators() {
            let line = self.line;
            return Err(Halt::wrong(format!("line {line}: columns are separated by {separators}; write commas")));
        }
        let names: Vec<String> = (0..self.fields).map(|index| self.text(index)).collect();
        let mut indices = [0; N];
        for (index, column) in indices.iter_mut().zip(wanted) {
            *index = match column {
                Column::Number(number) if *number as usize <= names.len() => *number as usize - 1,
                Column::Number(number) => {
                    let has = if names.len() == 1 { "1 column".to_owned() } else { format!("{} columns", names.len()) };
                    return Err(Halt::wrong(format!("there is no column {number}: line {} has {has}", self.line)));
                }
                Column::Name(name) => {
                    names.iter().position(|other| other == name).ok_or_else(|| no_column(name, &names))?
                }
            };
        }
        self.again = !wanted.iter().any(|column| matches!(column, Column::Name(_)));
        Ok(indices)
    }

    /// What the columns of the first record seem to be separated by, if not by commas: `time;status`, or `0,5;200`.
    fn other_separators(&self) -> Option<&'static str> {
        let before = |separator: char| {
            let text: Vec<String> = (0..self.fields).map(|index| self.text(index)).collect();
            let text = text.join(",");
            let (head, _) = text.split_once(separator)?;
            let number = head.replacen(',', ".", 1).parse::<f64>().is_ok();
            (self.fields == 1 || number).then_some(())
        };
        OTHER_SEPARATORS.into_iter().find_map(|(separator, name)| before(separator).map(|()| name))
    }

    /// Passes over empty lines and remarks; false at the end of the file.
    fn skip(&mut self) -> Result<bool, Halt> {
        let mut remark = false;
        loop {
            let start = self.next_line == 1 && self.bytes == 0;
            let chunk = self.fill()?;
            if chunk.is_empty() {
                return Ok(false);
            }
            // A byte order mark is no content.
            let mark = if start && chunk.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let mut taken = mark;
            let mut found = false;
            for byte in &chunk[mark..] {
                match byte {
                    b'\n' => remark = false,
                    b'\r' => {}
                    _ if remark => {}
                    b'#' => remark = true,
                    _ => {
                        found = true;
                        break;
                    }
                }
                taken += 1;
            }
            self.take(taken)?;
            if found {
                return Ok(true);
            }
        }
    }

    /// Reads a record that begins here; false if there is none.
    fn read(&mut self) -> Result<bool, Halt> {
        self.line = self.next_line;
        let (mut length, mut fields) = (0, 0);
        loop {
            self.fill()?;
            let chunk = self.input.buffer();
            let at_end = chunk.is_empty();
            // A line break ends the last record, unless it stands in quotes.
            let input = if at_end { b"\n" } else { chunk };
            let (result, taken, wrote, ended) =
                self.core.read_record(input, &mut self.record[length..], &mut self.ends[fields..]);
            if !at_end {
                self.take(taken)?;
            }
            (length, fields) = (length + wrote, fields + ended);
            match result {
                ReadRecordResult::Record => {
                    self.fields = fields;
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::InputEmpty if at_end => return Err(self.unended()),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.record.len() >= MOST_RECORD => {
                    let line = self.line;
                    return Err(Halt::wrong(format!("line {line} is longer than 1 MiB; is a quote not closed there?")));
                }
                ReadRecordResult::OutputFull => self.record.resize(self.record.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    fn unended(&self) -> Halt {
        Halt::wrong(format!("line {}: a quote (\") opens there and is never closed", self.line))
    }

    /// What is read next; empty at the end of the file.
    fn fill(&mut self) -> Result<&[u8], Halt> {
        if self.input.buffer().is_empty() {
            if self.reading.interrupted.load(Ordering::Relaxed) {
                return Err(Halt::Interrupted);
            }
            while let Err(error) = self.input.fill_buf() {
                if error.kind() != std::io::ErrorKind::Interrupted {
                    return Err(Halt::wrong(format!("cannot be read: {error}")));
                }
            }
        }
        Ok(self.input.buffer())
    }

    /// Passes over so many bytes.
    fn take(&mut self, taken: usize) -> Result<(), Halt> {
        for byte in &self.input.buffer()[..taken] {
            self.hash = fnv1a(self.hash, *byte);
            self.next_line += u64::from(*byte == b'\n');
        }
        self.input.consume(taken);
        self.bytes += taken as u64;
        if self.bytes > MOST_BYTES { Err(too_large()) } else { Ok(()) }
    }
}

fn too_large() -> Halt {
    Halt::wrong("larger than 4 GiB, the most that is read of a recorded file".to_owned())
}

fn no_column(name: &str, names: &[String]) -> Halt {
    /// More than these are not read in an error.
    const MOST_SHOWN: usize = 12;
    let name = super::cut(name);
    Halt::wrong(match nearest(&name, names.iter().map(String::as_str)) {
        Some(near) => format!("its first line has no column `{name}`, but one called `{}`", super::cut(near)),
        None => {
            let shown: Vec<String> =
                names.iter().take(MOST_SHOWN).map(|name| format!("`{}`", super::cut(name))).collect();
            let more = if names.len() > MOST_SHOWN { ", …" } else { "" };
            format!("its first line has no column `{name}`, but {}{more}", shown.join(", "))
        }
    })
}

/// The hash of nothing.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// The 64-bit hash FNV-1a (Fowler, Noll, Vo): tells whether two files are the same, not whether somebody meant them to look so.
fn fnv1a(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// The records of a text with their lines, or what is wrong.
    fn records(text: &[u8]) -> Result<Vec<(u64, Vec<String>)>, Halt> {
        let mut lines = Lines::new(text, Reading::default());
        let mut records = Vec::new();
        while lines.next()? {
            records.push((lines.line(), (0..lines.fields).map(|index| lines.text(index)).collect()));
        }
        assert_eq!(lines.hash(), text.iter().fold(FNV_START, |hash, byte| fnv1a(hash, *byte)));
        Ok(records)
    }

    fn check(text: &str, expected: &[(u64, &[&str])]) {
        let got = records(text.as_bytes()).unwrap_or_else(|halt| panic!("{text:?}: {halt:?}"));
        let got: Vec<(u64, Vec<&str>)> =
            got.iter().map(|(line, fields)| (*line, fields.iter().map(String::as_str).collect())).collect();
        let expected: Vec<(u64, Vec<&str>)> = expected.iter().map(|(line, fields)| (*line, fields.to_vec())).collect();
        assert_eq!(got, expected, "{text:?}");
    }

    fn check_wrong(text: &str, part: &str) {
        let wrong = records(text.as_bytes()).expect_err(text);
        assert!(format!("{wrong:?}").contains(part), "{wrong:?}");
    }

    #[test]
    fn records_and_their_lines() {
        check("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a, b \r\n\r\n# x, \"\r\n  \n1,\r\n", &[(1, &["a", "b"]), (5, &["1", ""])]);
        check("\u{feff}a\n\"1,5\",\"say \"\"x\"\"\"", &[(1, &["a"]), (2, &["1,5", "say \"x\""])]);
        check("1,\"two\nlines\"\n3", &[(1, &["1", "two\nlines"]), (3, &["3"])]);
        check("", &[]);
        check("\n\n# nothing", &[]);
        check("1", &[(1, &["1"])]);
    }

    #[test]
    fn quotes_that_are_never_closed() {
        check_wrong("a\n1,\"2\n3\n4\n", "line 2: a quote");
        check_wrong("a\n\"", "line 2: a quote");
        check_wrong(&format!("a\n\n\"{}", "1\n".repeat(1 << 20)), "line 3 is longer than 1 MiB");
    }

    #[test]
    fn columns_by_name_and_number() {
        let column = |text: &str, wanted: Column| Lines::new(text.as_bytes(), Reading::default()).columns([&wanted]);
        let name = |name: &str| Column::Name(name.to_owned());
        assert_eq!(column("a,b\n1,2\n", name("b")).unwrap(), [1]);
        assert_eq!(column("a,b\n1,2\n", Column::Number(2)).unwrap(), [1]);
        for (text, wanted, part) in [
            ("a,b\n", Column::Number(3), "no column 3: line 1 has 2 columns"),
            ("time,status\n", name("tim"), "no column `tim`, but one called `time`"),
            ("a,b\n", name("zzzz"), "but `a`, `b`"),
            ("time;status\n1;200\n", Column::Number(1), "line 1: columns are separated by semicolons"),
            ("# x\n0,5;200\n", Column::Number(1), "line 2: columns are separated by semicolons"),
            ("1\t200\n", Column::Number(1), "by tabs"),
            ("", Column::Number(1), "no line"),
        ] {
            let wrong = format!("{:?}", column(text, wanted).expect_err(text));
            assert!(wrong.contains(part), "{text:?}: {wrong}");
        }
        // A semicolon within a value is none between columns.
        assert_eq!(column("1,Mozilla/5.0 (X11; Linux)\n", Column::Number(1)).unwrap(), [0]);
    }

    #[test]
    fn an_interruption_is_heard() {
        let interrupted = AtomicBool::new(true);
        let mut lines = Lines::new(&b"1\n"[..], Reading { interrupted: &interrupted, ..Reading::default() });
        assert!(matches!(lines.next(), Err(Halt::Interrupted)));
    }

    /// Published vectors of FNV-1a.
    #[test]
    fn hashes() {
        let hash = |bytes: &[u8]| bytes.iter().fold(FNV_START, |hash, byte| fnv1a(hash, *byte));
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
