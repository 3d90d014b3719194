//! Instants at which operations start.

use std::io::Read;
use std::sync::Arc;

use super::lines::Lines;
use super::{Halt, Room, Times};
use crate::scenario::file::shape::recorded::{Column, Origin, TraceTable};
use crate::scenario::{Cut, Trace};
use crate::units::{SimTime, Span};

/// What is asked of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    file: String,
    column: Column,
    origin: Option<Origin>,
    key: Option<Column>,
    duration: Span,
}

impl Wanted {
    /// What `table` asks for, in a run whose demand lasts so long.
    pub fn new(table: &TraceTable, duration: Span) -> Wanted {
        let (origin, key) = (table.origin.0.clone(), table.key.0.clone());
        Wanted { file: table.file.clone(), column: table.column.clone(), origin, key, duration }
    }
}

/// What was found.
pub struct Found {
    /// The instants.
    pub trace: Arc<Trace>,
    /// The beginning of the run in nanoseconds since 1970, if the file has times of a clock.
    pub clock: Option<i64>,
}

/// Reads the instants of a file.
pub fn read<R: Read>(lines: &mut Lines<R>, wanted: &Wanted, room: Room) -> Result<Found, Halt> {
    let [column, key] = lines.columns([&wanted.column, wanted.key.as_ref().unwrap_or(&wanted.column)])?;
    let mut times = Times::new(column, wanted.origin.as_ref());
    let mut instants = Instants::new(wanted.duration);
    // Of each operation a hash of its key, and an instant.
    let mut keyed: Vec<(u128, i64)> = Vec::new();
    while lines.next()? {
        let Some(at) = times.read(lines)? else { continue };
        instants.begin = times.begin();
        if wanted.key.is_some() && !lines.field(key).is_empty() {
            keyed.push((fnv1a(lines.field(key)), at));
            room.check(&keyed)?;
        } else {
            instants.add(at);
            room.check(&instants.at)?;
        }
    }
    let clock = times.clock()?;
    keyed.sort_unstable();
    keyed.dedup_by_key(|(hash, _)| *hash);
    for (_, at) in keyed {
        instants.add(at);
        room.check(&instants.at)?;
    }
    let begin = instants.begin.unwrap_or(instants.first);
    let (at, cut) = instants.from(begin);
    let trace = Trace { file: wanted.file.clone(), at, cut, keyed: wanted.key.is_some() };
    Ok(Found { trace: Arc::new(trace), clock: clock.then_some(begin) })
}

/// Instants that may lie in the run; of the others there is only a number.
struct Instants {
    at: Vec<i64>,
    /// The beginning of the run; `None`: the earliest.
    begin: Option<i64>,
    /// How long it takes up operations.
    length: i64,
    first: i64,
    last: i64,
    before: u64,
    after: u64,
}

impl Instants {
    fn new(duration: Span) -> Instants {
        let length = i64::try_from(duration.0).unwrap_or(i64::MAX);
        Instants { at: Vec::new(), begin: None, length, first: i64::MAX, last: i64::MIN, before: 0, after: 0 }
    }

    fn add(&mut self, at: i64) {
        (self.first, self.last) = (self.first.min(at), self.last.max(at));
        // What is too late for the earliest so far is too late for one that is earlier still.
        let after = at.saturating_sub(self.begin.unwrap_or(self.first));
        match after {
            i64::MIN..0 => self.before += 1,
            after if after >= self.length => self.after += 1,
            _ => self.at.push(at),
        }
    }

    /// In order, from `begin` on.
    fn from(mut self, begin: i64) -> (Vec<SimTime>, Cut) {
        // A log is written when requests end, or by several machines: its order is not that of the arrivals.
        self.at.sort_unstable();
        let within = self.at.partition_point(|at| at.saturating_sub(begin) < self.length);
        let after = self.after + (self.at.len() - within) as u64;
        self.at.truncate(within);
        let (first, last) = (self.first.saturating_sub(begin), self.last.saturating_sub(begin));
        let mut at: Vec<SimTime> = self.at.into_iter().map(|at| SimTime((at - begin) as u64)).collect();
        at.shrink_to_fit();
        (at, Cut { before: self.before, after, first, last })
    }
}

/// The 128-bit hash FNV-1a (Fowler, Noll, Vo): keys that differ have one in common once in 10^18 files.
fn fnv1a(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use super::*;
    use crate::scenario::file::leaf::{OrNone, Raw};

    fn table(column: u32, origin: &str, key: &str) -> TraceTable {
        let column = Column::Number(column);
        let origin = (!origin.is_empty()).then(|| Origin::try_from(Raw::Text(origin.to_owned())).expect("a time"));
        let key = (!key.is_empty()).then(|| Column::Name(key.to_owned()));
        TraceTable { file: "t.csv".to_owned(), column, origin: OrNone(origin), key: OrNone(key), trace: None }
    }

    fn read_text(text: &str, table: &TraceTable) -> Result<Found, Halt> {
        let mut lines = Lines::new(text.as_bytes(), Reading::default());
        read(&mut lines, &Wanted::new(table, Span::secs(10)), Room { bytes: 1 << 20 })
    }

    /// Instants in milliseconds, how many are left out before and after, and the beginning in seconds since 1970.
    fn check(text: &str, origin: &str, key: &str, expected: (&[u64], u64, u64, Option<i64>)) {
        let found = read_text(text, &table(1, origin, key)).unwrap_or_else(|halt| panic!("{text:?}: {halt:?}"));
        let ms: Vec<u64> = found.trace.at.iter().map(|at| at.0 / 1_000_000).collect();
        let (at, before, after, clock) = expected;
        let cut = found.trace.cut;
        let got = (ms.as_slice(), cut.before, cut.after, found.clock.map(|nanos| nanos / 1_000_000_000));
        assert_eq!(got, (at, before, after, clock), "{text:?} from {origin:?}");
    }

    fn check_wrong(text: &str, origin: &str, key: &str, part: &str) {
        let halt = read_text(text, &table(1, origin, key)).err().unwrap_or_else(|| panic!("{text:?} was read"));
        assert!(format!("{halt:?}").contains(part), "{text:?}: {halt:?}");
    }

    #[test]
    fn seconds_and_times_of_a_clock() {
        check("t\n0.5\n0.25\n11\n", "", "", (&[250, 500], 0, 1, None));
        check("3\n5\n14\n2\n", "3", "", (&[0, 2_000], 1, 1, None));
        // The earliest comes last: what fitted before does no more.
        let clock = Some(1_767_225_600);
        check("1767225608\n1767225611\n1767225600\n", "", "", (&[0, 8_000], 0, 1, clock));
        check("1767225608000\n1767225600014\n", "1767225600", "", (&[14, 8_000], 0, 0, clock));
        check("2026-01-01T00:00:01Z\n", "2026-01-01T01:00:00+01:00", "", (&[1_000], 0, 0, clock));
        check("[01/Jan/2026:00:00:01 +0000]\n", "2026-01-01", "", (&[1_000], 0, 0, clock));
        check("1767225599\n1767225700\n", "1767225600", "", (&[], 1, 1, clock));
    }

    #[test]
    fn lines_of_one_operation() {
        let text = "t,id\n2,a\n1,a\n3,b\n4,\n5,\n11,b\n";
        check(text, "", "id", (&[1_000, 3_000, 4_000, 5_000], 0, 0, None));
        check(text, "", "", (&[1_000, 2_000, 3_000, 4_000, 5_000], 0, 1, None));
        check_wrong(text, "", "idd", "one called `id`");
    }

    #[test]
    fn what_is_no_list_of_instants() {
        check_wrong(
            "1767225600\n5\n",
            "",
            "",
            "line 2: `5` is seconds from the beginning, and line 1 has seconds since",
        );
        check_wrong("5\n2026-01-01T00:00:00Z\n", "", "", "line 2: `2026-01-01T00:00:00Z` is an ISO 8601 time, and");
        check_wrong("2026-01-01T00:00:00Z\n2026-01-01T00:00:00\n", "", "", "without a zone, and line 1");
        check_wrong("5\n", "2026-01-01T00:00:00Z", "", "origin");
        check_wrong("2026-01-01T00:00:00Z\n", "5", "", "origin");
        check_wrong("t\n", "", "", "no line with a time");
        check_wrong("t\n1\n-1\n", "", "", "line 3: `-1` is not a time");
        check_wrong("x y\n1.1.1.1 - - [10/Oct/2000:13:55:36 -0700] \"GET\"\n", "", "", "a column of its own");
        check_wrong("1,\"a\n2,b\"\n3\n\"4\n5\"\n", "", "", "line 4: a quote");
        check_wrong(&"1\n".repeat(200_000), "", "", "too many");
    }

    /// What the run leaves out takes no memory.
    #[test]
    fn a_long_log_of_which_little_is_used() {
        let text: String = (0..200_000).map(|second| format!("{}\n", 1_767_225_600 + second)).collect();
        let found = read_text(&text, &table(1, "", "")).expect("ten instants");
        let Cut { before, after, first, last } = found.trace.cut;
        assert_eq!((found.trace.at.len(), before, after, first, last / 1_000_000_000), (10, 0, 199_990, 0, 199_999));
    }

    /// Vectors of the Go library's hash/fnv.
    #[test]
    fn hashes() {
        assert_eq!(fnv1a(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
