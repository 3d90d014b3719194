//! Durations in a column, in seconds.

use std::io::Read;

use super::lines::Lines;
use super::{Halt, Room, cut, no_value};
use crate::scenario::file::shape::recorded::Column;
use crate::units::Span;

/// A column as durations. A first line without a number is a header.
pub fn read<R: Read>(lines: &mut Lines<R>, column: &Column, room: Room) -> Result<Vec<Span>, Halt> {
    let [column] = lines.columns([column])?;
    let mut values = Vec::new();
    while lines.next()? {
        let text = lines.text(column);
        match text.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => values.push(Span::from_seconds(seconds)),
            Ok(_) => {
                let (line, shown) = (lines.line(), cut(&text));
                return Err(Halt::wrong(format!("line {line}: {shown} is not a duration in seconds")));
            }
            Err(_) if lines.is_first() => {}
            Err(_) => return Err(no_value(lines, column, "a number of seconds")),
        }
        room.check(&values)?;
    }
    if values.is_empty() { Err(Halt::wrong("no line with a value below its header".to_owned())) } else { Ok(values) }
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use super::*;

    fn check(text: &str, column: u32, expected: Result<&[u64], &str>) {
        let mut lines = Lines::new(text.as_bytes(), Reading::default());
        match (read(&mut lines, &Column::Number(column), Room { bytes: 1 << 20 }), expected) {
            (Ok(got), Ok(millis)) => {
                assert_eq!(got, millis.iter().map(|ms| Span::millis(*ms)).collect::<Vec<_>>(), "{text:?}")
            }
            (Err(halt), Err(part)) => assert!(format!("{halt:?}").contains(part), "{text:?}: {halt:?}"),
            (got, _) => panic!("{text:?}: {got:?}"),
        }
    }

    #[test]
    fn a_column_in_seconds() {
        check("0.1\n0.25\n", 1, Ok(&[100, 250]));
        check("seconds,host\n0.1, a\n# a remark\n\n2,b\n", 1, Ok(&[100, 2_000]));
        check("host,seconds\na,0.1\nb,2\n", 2, Ok(&[100, 2_000]));
        check("0.1\nx\n", 1, Err("line 2: `x`"));
        check("0.1\n-3\n", 1, Err("line 2: -3"));
        check("nan\n", 1, Err("not a duration"));
        check("seconds\n", 1, Err("no line with a value below"));
        check("", 1, Err("no line with a value"));
        check("host,seconds\na,1\nb\n", 2, Err("line 3: nothing in column 2"));
        check("seconds;host\n1;a\n", 1, Err("semicolons"));
        check("\"0.1\n0.2\n", 1, Err("line 1: a quote"));
        check(&"0.25\n".repeat(100_000), 1, Err("too many"));
    }
}
