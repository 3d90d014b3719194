//! What one run measured as a line of JSON, exact to the last bit: one process can run, and another can compare.
//!
//! Counts and times are whole numbers, times in ns. Everything else is a double and stands there as its 64 bits in 16 hexadecimal digits, so that
//! what is read is what was written, infinities and all; a column of the timeline is one string of them. Faults, servers and steps are known by their places in the
//! scenario: a record is one of a run of the scenario that it is compared under, and does not say which that was.

use serde::{Deserialize, Serialize};

use super::ending::{ByEnding, Ending};
use super::histogram::grid;
use super::result::RunResult;
use super::timeline::Timeline;
use crate::scenario::metric::{Measure, Metric, Names, Of, Scope};
use crate::units::{SimTime, Span};

/// The first thing in a record. It counts up when what follows changes.
pub const VERSION: u32 = 2;

/// What is no record of a run, or one that another version of simlab wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no record of a run: {0}")]
pub struct NoRecord(String);

/// A run's result as one line, without a line feed.
///
/// # Panics
/// Never: plain numbers and texts can be written.
pub fn write(result: &RunResult) -> String {
    let values =
        result.metrics.iter().map(|(measure, value)| (name(*measure), value.map(|value| Bits(value.to_bits()))));
    let line = &result.timeline;
    let column = |values: &[f64]| Column(values.to_vec());
    let record = Record {
        record: VERSION,
        digest: Bits(result.digest),
        events: result.events,
        attempts: result.attempts,
        completions: result.completions,
        state_bytes: result.state_bytes,
        taken_up: result.taken_up,
        peak_at: result.peak_at.0,
        endings: Ending::ALL.map(|ending| result.endings[ending]),
        metrics: values.collect(),
        succeeded_within: result.succeeded_within.clone(),
        timeline: Lines {
            bin: line.bin.0,
            operations: column(&line.operations),
            attempts: column(&line.attempts),
            goodput: column(&line.goodput),
            failed: column(&line.failed),
            in_flight: column(&line.in_flight),
            queue: column(&line.queue),
            refused: column(&line.refused),
            breaker_open: column(&line.breaker_open),
            messages: column(&line.messages),
            oldest: column(&line.oldest),
        },
    };
    serde_json::to_string(&record).expect("plain numbers and texts can be written")
}

/// The result that [`write()`] wrote.
///
/// # Errors
/// If it is no such line.
pub fn read(line: &str) -> Result<RunResult, NoRecord> {
    let record: Record = serde_json::from_str(line).map_err(|problem| NoRecord(problem.to_string()))?;
    if record.record != VERSION {
        return Err(NoRecord(format!("version {}, not {VERSION}", record.record)));
    }
    if record.succeeded_within.len() != grid().count() {
        return Err(NoRecord(format!("successes within {} times", record.succeeded_within.len())));
    }
    let mut endings = ByEnding::default();
    Ending::ALL.into_iter().zip(record.endings).for_each(|(ending, count)| endings[ending] = count);
    Ok(RunResult {
        metrics: metrics(&record.metrics)?,
        timeline: record.timeline.read()?,
        digest: record.digest.0,
        endings,
        succeeded_within: record.succeeded_within,
        taken_up: record.taken_up,
        peak_at: SimTime(record.peak_at),
        events: record.events,
        attempts: record.attempts,
        completions: record.completions,
        state_bytes: record.state_bytes,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    record: u32,
    digest: Bits,
    events: u64,
    attempts: u64,
    completions: u64,
    state_bytes: u64,
    taken_up: u64,
    peak_at: u64,
    /// In the order of [`Ending::ALL`].
    endings: [u64; Ending::ALL.len()],
    metrics: Vec<(String, Option<Bits>)>,
    succeeded_within: Vec<u64>,
    timeline: Lines,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    bin: u64,
    operations: Column,
    attempts: Column,
    goodput: Column,
    failed: Column,
    in_flight: Column,
    queue: Column,
    refused: Column,
    breaker_open: Column,
    messages: Column,
    oldest: Column,
}

impl Lines {
    fn read(self) -> Result<Timeline, NoRecord> {
        let line = Timeline {
            bin: Span(self.bin),
            operations: self.operations.0,
            attempts: self.attempts.0,
            goodput: self.goodput.0,
            failed: self.failed.0,
            in_flight: self.in_flight.0,
            queue: self.queue.0,
            refused: self.refused.0,
            breaker_open: self.breaker_open.0,
            messages: self.messages.0,
            oldest: self.oldest.0,
        };
        let bins = line.operations.len();
        let others = [
            &line.attempts,
            &line.goodput,
            &line.failed,
            &line.in_flight,
            &line.queue,
            &line.refused,
            &line.breaker_open,
        ];
        // Of durable queues, if there are any.
        let may_be = [&line.messages, &line.oldest];
        let mut others = others.into_iter().chain(may_be.into_iter().filter(|column| !column.is_empty()));
        let differs = others.any(|column| column.len() != bins);
        drop(others);
        if line.bin == Span::ZERO || differs {
            return Err(NoRecord("a timeline has bins, and its columns are of one length".into()));
        }
        Ok(line)
    }
}

/// The values of measures: in their order, each once, and none missing that every run has.
fn metrics(values: &[(String, Option<Bits>)]) -> Result<Vec<(Measure, Option<f64>)>, NoRecord> {
    let mut metrics: Vec<(Measure, Option<f64>)> = Vec::with_capacity(values.len());
    for (name, value) in values {
        let measure = measure(name).ok_or_else(|| NoRecord(format!("`{name}` is not measured")))?;
        if metrics.last().is_some_and(|(before, _)| *before >= measure) {
            return Err(NoRecord(format!("`{name}` stands in the wrong place")));
        }
        metrics.push((measure, value.map(|bits| f64::from_bits(bits.0))));
    }
    let known = |metric: &Metric| metrics.binary_search_by_key(&Measure::from(*metric), |(own, _)| *own).is_ok();
    match Metric::ALL.into_iter().find(|metric| metric.is_of_run() && !known(metric)) {
        Some(metric) => Err(NoRecord(format!("`{}` is missing", metric.name()))),
        None => Ok(metrics),
    }
}

/// A measure's name, where faults, servers and steps are called by their places.
fn name(measure: Measure) -> String {
    let metric = measure.metric.name();
    match measure.of {
        Of::Fault(place) => format!("{metric}.fault.{place}"),
        Of::Server(place) => format!("{metric}.server.{place}"),
        Of::Replica(place, replica) => format!("{metric}.server.{place}.{replica}"),
        Of::Step(place) => format!("{metric}.step.{place}"),
        Of::Member(number) => format!("{metric}.member.{number}"),
        Of::Run | Of::Demand | Of::Outcome(_) => measure.name(&Names::default()),
    }
}

/// The measure of this name.
fn measure(text: &str) -> Option<Measure> {
    let (metric, part) = text.split_once('.').unwrap_or((text, ""));
    let measure = match part.split_once('.') {
        Some((kind @ ("fault" | "server" | "step" | "member"), place)) => {
            let (metric, (place, replica)) = (Metric::named(metric)?, place.split_once('.').unwrap_or((place, "")));
            let place = place.parse().ok()?;
            let of = match kind {
                "fault" if metric.scope() == Scope::Ends => Of::Fault(place),
                "server" if metric.is_of_replicas() && !replica.is_empty() => Of::Replica(place, replica.parse().ok()?),
                "server" if metric.is_of_servers() => Of::Server(place),
                "step" if metric.is_of_steps() => Of::Step(place),
                "member" if metric.is_of_members() => Of::Member(place),
                _ => return None,
            };
            Measure { metric, of }
        }
        _ => Measure::parse(text, &Names::default())?,
    };
    // A number may be written in several ways.
    (name(measure) == text).then_some(measure)
}

/// 64 bits, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Bits(u64);

impl From<Bits> for String {
    fn from(Bits(bits): Bits) -> String {
        format!("{bits:016x}")
    }
}

impl TryFrom<String> for Bits {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Bits, &'static str> {
        bits(text.as_bytes()).map(Bits).ok_or(DIGITS)
    }
}

const DIGITS: &str = "a number has 16 hexadecimal digits";

fn bits(digits: &[u8]) -> Option<u64> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let digits: &[u8; 16] = digits.try_into().ok()?;
    digits.iter().try_fold(0, |bits, byte| Some(bits << 4 | u64::from(digit(*byte)?)))
}

/// Doubles, one after the other.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Column(Vec<f64>);

impl From<Column> for String {
    fn from(Column(values): Column) -> String {
        let mut text = String::with_capacity(16 * values.len());
        values.into_iter().for_each(|value| text += &String::from(Bits(value.to_bits())));
        text
    }
}

impl TryFrom<String> for Column {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Column, &'static str> {
        let values = text.as_bytes().chunks(16).map(|digits| bits(digits).map(f64::from_bits));
        values.collect::<Option<_>>().map(Column).ok_or(DIGITS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::metric::OutcomeKey;

    /// Every field of both, floats by their bits.
    #[track_caller]
    fn assert_same(one: &RunResult, other: &RunResult) {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let all = |result: &RunResult| {
            let RunResult {
                metrics,
                timeline,
                digest,
                endings,
                succeeded_within,
                taken_up,
                peak_at,
                events,
                attempts,
                completions,
                state_bytes,
            } = result;
            let metrics: Vec<_> = metrics.iter().map(|(measure, value)| (*measure, value.map(f64::to_bits))).collect();
            let Timeline {
                bin,
                operations,
                attempts: arrivals,
                goodput,
                failed,
                in_flight,
                queue,
                refused,
                breaker_open,
                messages,
                oldest,
            } = timeline;
            let columns =
                [operations, arrivals, goodput, failed, in_flight, queue, refused, breaker_open, messages, oldest];
            let timeline = (*bin, columns.map(|column| bits(column)));
            let counts = [*digest, *taken_up, *events, *attempts, *completions, *state_bytes];
            (metrics, timeline, *endings, succeeded_within.clone(), *peak_at, counts)
        };
        assert_eq!(all(one), all(other));
    }

    fn double() -> impl Strategy<Value = f64> {
        let few = [0.0, -0.0, 1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN, f64::MIN_POSITIVE, 5e-324];
        prop_oneof![proptest::sample::select(few.to_vec()), any::<u64>().prop_map(f64::from_bits)]
    }

    fn count() -> impl Strategy<Value = u64> {
        prop_oneof![0..1_000u64, Just(u64::MAX), Just((1 << 53) + 1), any::<u64>()]
    }

    fn of() -> impl Strategy<Value = Measure> {
        let outcome = prop_oneof![
            (100..600u16).prop_map(OutcomeKey::Status),
            Just(OutcomeKey::Cancelled),
            Just(OutcomeKey::Connection),
            Just(OutcomeKey::Open),
            Just(OutcomeKey::Timeout),
        ];
        let ends = proptest::sample::select(vec![Metric::Wave, Metric::Recovery]);
        let place = prop_oneof![Just(Of::Demand), (0..12u32).prop_map(Of::Fault), Just(Of::Fault(u32::MAX))];
        prop_oneof![
            (ends, place).prop_map(|(metric, of)| Measure { metric, of }),
            outcome.prop_map(|of| Measure { metric: Metric::OutcomesPerOperation, of: Of::Outcome(of) }),
            (100..600u16).prop_map(|status| {
                Measure { metric: Metric::OutcomeStatus, of: Of::Outcome(OutcomeKey::Status(status)) }
            }),
        ]
    }

    /// Anything that may be measured, and much that may not.
    fn result() -> impl Strategy<Value = RunResult> {
        let of_run = Metric::ALL.into_iter().filter(|metric| metric.is_of_run()).map(Measure::from).collect::<Vec<_>>();
        let measures = proptest::collection::btree_set(of(), 0..9).prop_map(move |mut measures| {
            measures.extend(of_run.iter().copied());
            measures.into_iter().collect::<Vec<_>>()
        });
        let metrics = measures.prop_flat_map(|measures| {
            let values = proptest::collection::vec(proptest::option::of(double()), measures.len());
            values.prop_map(move |values| measures.iter().copied().zip(values).collect::<Vec<_>>())
        });
        let column = |bins| proptest::collection::vec(double(), bins);
        let timeline = (1..u64::MAX, 0..5usize, any::<bool>()).prop_flat_map(move |(bin, bins, has_queues)| {
            proptest::array::uniform10(column(bins)).prop_map(move |columns| {
                let [operations, attempts, goodput, failed, in_flight, queue, refused, breaker_open, messages, oldest] =
                    columns;
                let of_queues = |column: Vec<f64>| if has_queues { column } else { Vec::new() };
                Timeline {
                    bin: Span(bin),
                    operations,
                    attempts,
                    goodput,
                    failed,
                    in_flight,
                    queue,
                    refused,
                    breaker_open,
                    messages: of_queues(messages),
                    oldest: of_queues(oldest),
                }
            })
        });
        let within = proptest::collection::vec(count(), grid().count());
        let counts = proptest::array::uniform7(count());
        (metrics, timeline, within, counts, proptest::array::uniform10(count())).prop_map(
            |(metrics, timeline, succeeded_within, counts, by_ending)| {
                let [digest, taken_up, peak_at, events, attempts, completions, state_bytes] = counts;
                let mut endings = ByEnding::default();
                Ending::ALL.into_iter().zip(by_ending).for_each(|(ending, n)| endings[ending] = n);
                RunResult {
                    metrics,
                    timeline,
                    digest,
                    endings,
                    succeeded_within,
                    taken_up,
                    peak_at: SimTime(peak_at),
                    events,
                    attempts,
                    completions,
                    state_bytes,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(result in result()) {
            let line = write(&result);
            prop_assert!(!line.contains('\n'));
            assert_same(&result, &read(&line).expect("a record"));
        }

        /// Half of a record is none, and whatever else may have become of one is read or refused.
        #[test]
        fn what_is_damaged_does_no_harm(result in result(), at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
            let line = write(&result);
            let at = at.index(line.len());
            prop_assert!(read(&line[..at]).is_err());
            let mut other = line.clone().into_bytes();
            other[at] = byte;
            let other = String::from_utf8(other).expect("a record is of ASCII");
            if let Ok(read) = read(&other) {
                // A digit became another one, or there was no harm. Blanks between numbers mean nothing.
                prop_assert_eq!(write(&read), other.replace(' ', ""));
            }
        }
    }

    /// A result with nothing in it.
    fn empty() -> RunResult {
        let of_run = Metric::ALL.into_iter().filter(|metric| metric.is_of_run());
        RunResult {
            metrics: of_run.map(|metric| (metric.into(), None)).collect(),
            timeline: Timeline { bin: Span::secs(1), ..Timeline::default() },
            digest: 0xfe,
            endings: ByEnding::default(),
            succeeded_within: vec![0; grid().count()],
            taken_up: 0,
            peak_at: SimTime::ZERO,
            events: 0,
            attempts: 0,
            completions: 0,
            state_bytes: 0,
        }
    }

    /// Others may read it: the names of its fields and the ways in which numbers are written stay what they are.
    #[test]
    fn a_record_is_stable() {
        let mut result = empty();
        result.metrics[0].1 = Some(2.0);
        result.endings[Ending::Second] = 2;
        (result.timeline.operations, result.timeline.queue) = (vec![1.0, 0.5], vec![0.0, f64::INFINITY]);
        let line = write(&result);
        let start = concat!(
            r#"{"record":2,"digest":"00000000000000fe","events":0,"attempts":0,"completions":0,"state_bytes":0,"taken_up":0,"peak_at":0,"#,
            r#""endings":[0,2,0,0,0,0,0,0,0,0],"metrics":[["operations","4000000000000000"],["succeeded",null],"#,
        );
        let end = concat!(
            r#"0],"timeline":{"bin":1000000000,"operations":"3ff00000000000003fe0000000000000","attempts":"","goodput":"","failed":"","#,
            r#""in_flight":"","queue":"00000000000000007ff0000000000000","refused":"","breaker_open":"","messages":"","oldest":""}}"#,
        );
        assert!(line.starts_with(start) && line.ends_with(end), "{line}");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let line = write(&empty());
        assert!(read(&line).is_ok());
        let changes = [
            ("\"record\":2", "\"record\":1", "version 1"),
            ("\"record\":2,", "", "missing field `record`"),
            ("\"record\":2,", "\"record\":2,\"more\":1,", "unknown field `more`"),
            ("\"events\":0", "\"events\":-1", "invalid value"),
            ("\"events\":0", "\"events\":0.5", "invalid type"),
            ("\"events\":0", "\"events\":18446744073709551616", "invalid"),
            ("\"endings\":[0,", "\"endings\":[", "invalid length 9"),
            ("\"endings\":[0,", "\"endings\":[0,0,", "trailing characters"),
            ("00000000000000fe", "+0000000000000fe", "16 hexadecimal digits"),
            ("00000000000000fe", "00000000000000FE", "16 hexadecimal digits"),
            ("00000000000000fe", "000000000000000fe", "16 hexadecimal digits"),
            ("[\"operations\",null],", "", "`operations` is missing"),
            (
                "[\"operations\",null],",
                "[\"operations\",null],[\"operations\",null],",
                "`operations` stands in the wrong place",
            ),
            (
                "[\"operations\",null],",
                "[\"failed\",null],[\"operations\",null],",
                "`operations` stands in the wrong place",
            ),
            ("\"operations\",null", "\"operation\",null", "`operation` is not measured"),
            ("\"wave\",null]", "\"wave\",null],[\"wave.fault.01\",null]", "`wave.fault.01` is not measured"),
            ("\"wave\",null]", "\"wave\",null],[\"wave.fault.+1\",null]", "`wave.fault.+1` is not measured"),
            ("\"wave\",null]", "\"wave\",null],[\"wave.fault.4294967296\",null]", "is not measured"),
            ("\"goodput\",null]", "\"goodput\",null],[\"goodput.fault.1\",null]", "`goodput.fault.1` is not measured"),
            ("\"operations\",null", "\"operations\",1.5", "invalid type"),
            ("\"succeeded_within\":[0,", "\"succeeded_within\":[", "successes within 260 times"),
            ("\"bin\":1000000000", "\"bin\":0", "a timeline has bins"),
            ("\"attempts\":\"\"", "\"attempts\":\"3ff0000000000000\"", "columns are of one length"),
            ("\"attempts\":\"\"", "\"attempts\":\"3ff000000000000\"", "16 hexadecimal digits"),
            ("\"attempts\":\"\"", "\"attempts\":\"3ff000000000000é\"", "16 hexadecimal digits"),
        ];
        for (from, to, problem) in changes {
            assert!(line.contains(from), "{from}");
            let refusal = read(&line.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(refusal.starts_with("no record of a run: ") && refusal.contains(problem), "{to}: {refusal}");
        }
        for other in ["", "{}", "null", "[]", "1", "\u{0}", &"[".repeat(100_000), &format!("{line}{line}"), &line[1..]]
        {
            assert!(read(other).is_err(), "{}", &other[..other.len().min(20)]);
        }
    }
}
