//! The rules of `ARCHITECTURE.md`, held against the source: who may import whom, what must be absent, how long a file may be.
//!
//! Rules are about the program, not about its tests: comments, the content of strings, and everything under `#[cfg(test)]` are taken out first.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of code in a file; blank lines, comments and tests do not count. Files are 50 to 400 lines as a rule.
const MOST_LINES: usize = 500;

/// A name that must not occur, but in the places listed.
struct Ban {
    name: &'static str,
    allowed_in: &'static [&'static str],
    because: &'static str,
}

const BANS: [Ban; 39] = [
    ban("Instant::now", &["src/cli/", "src/live/"], CLOCK),
    ban("SystemTime", &["src/cli/", "src/live/"], CLOCK),
    ban("thread_rng", &["src/cli/"], RANDOMNESS),
    ban("rand::rng", &["src/cli/"], RANDOMNESS),
    ban("rand::random", &["src/cli/"], RANDOMNESS),
    ban("OsRng", &["src/cli/"], RANDOMNESS),
    ban("HashMap", &[], ORDER),
    ban("HashSet", &[], ORDER),
    ban("RandomState", &[], ORDER),
    ban(".ln(", &[], PLATFORM),
    ban(".ln_1p(", &[], PLATFORM),
    ban(".log(", &[], PLATFORM),
    ban(".log2(", &[], PLATFORM),
    ban(".log10(", &[], PLATFORM),
    ban(".exp(", &[], PLATFORM),
    ban(".exp2(", &[], PLATFORM),
    ban(".exp_m1(", &[], PLATFORM),
    ban(".powf(", &[], PLATFORM),
    ban(".powi(", &[], PLATFORM),
    ban(".cbrt(", &[], PLATFORM),
    ban(".sin(", &[], PLATFORM),
    ban(".cos(", &[], PLATFORM),
    ban(".tan(", &[], PLATFORM),
    ban(".atan2(", &[], PLATFORM),
    ban(".tanh(", &[], PLATFORM),
    ban(".hypot(", &[], PLATFORM),
    ban("plotters", &["src/report/chart/png.rs"], "it fills the pixels of PNG files, and nothing else"),
    ban("ab_glyph", &["src/report/chart/"], "letters are drawn in one place"),
    ban("tokio", &["src/live/"], "the simulator is synchronous"),
    ban("toml::", &["src/scenario/file/"], "scenario files are read in one place"),
    ban("std::fs", &["src/cli/", "src/scenario/file/"], FILES),
    ban("std::env", &["src/cli/"], "what the environment says must not change a result"),
    ban("std::net", &["src/live/serve/", "src/cli/serve.rs"], "only what runs live talks to a network"),
    ban("std::thread", &["src/cli/", "src/experiment/", "src/live/"], "one run is one thread"),
    ban("println!", &[], PRINTS),
    ban("print!", &[], PRINTS),
    ban("eprint", &[], PRINTS),
    ban(
        "operation.server",
        &["src/scenario/world.rs", "src/scenario/file/"],
        "the called server is asked for in one place",
    ),
    ban("unsafe", &[], "there is no unsafe code"),
];

const FILES: &str = "scenario files are read in one place, reports are written in one place";
const PRINTS: &str = "it panics where the stream fails; the command line prints with `print` and `say`";
const CLOCK: &str = "time is an argument; only the command line and what runs live look at a clock";
const RANDOMNESS: &str = "randomness comes from keyed streams";
const ORDER: &str = "a hash map's order differs between runs; use a BTreeMap or a Vec";
const PLATFORM: &str = "platform maths differs in its last bits between machines; use libm";

const fn ban(name: &'static str, allowed_in: &'static [&'static str], because: &'static str) -> Ban {
    Ban { name, allowed_in, because }
}

/// A source file, stripped.
struct Source {
    /// From the root of the package, with `/`.
    path: String,
    code: String,
}

impl Source {
    /// The folder or top-level file of `src` that it belongs to.
    fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").expect("sources stand in src");
        inside.split('/').next().expect("a path has a part").trim_end_matches(".rs")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn architecture() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there")
}

/// Every file of `src`, but those that are tests as a whole.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join("src"), &mut paths);
    paths.sort();
    let mut tests = Vec::new();
    let mut sources = Vec::new();
    for path in paths {
        let stripped = stripped(&fs::read_to_string(&path).expect("a source can be read"));
        let code = without_tests(&stripped, |module| tests.push(folder_of_children(&path).join(module)));
        let inside = path.strip_prefix(root()).expect("sources stand in the package");
        sources.push((path.clone(), Source { path: inside.to_string_lossy().replace('\\', "/"), code }));
    }
    sources.retain(|(path, _)| !tests.iter().any(|test| path.starts_with(test) || *path == test.with_extension("rs")));
    assert!(sources.len() > 50, "only {} files in src", sources.len());
    sources.into_iter().map(|(_, source)| source).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Where the modules that a file declares stand.
fn folder_of_children(file: &Path) -> PathBuf {
    let stem = file.file_stem().expect("a file has a name");
    let is_root = ["mod", "lib", "main"].iter().any(|name| stem == *name);
    if is_root { file.parent().expect("a file stands in a folder").to_owned() } else { file.with_extension("") }
}

/// Code without comments and without the content of strings and characters. Lines stay where they are.
fn stripped(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let hidden = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest).filter(|_| !code.ends_with(is_word)) {
            let start = hashes + 2;
            let end = format!("\"{}", "#".repeat(hashes));
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' && (rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'')) {
            quoted(rest, '\'')
        } else {
            0
        };
        if hidden == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (gone, left) = rest.split_at(hidden);
            code.push_str(if gone.starts_with('/') { "" } else { "\"\"" });
            code.extend(gone.chars().filter(|c| *c == '\n'));
            rest = left;
        }
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The number of `#` if a raw string starts here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Length of what stands between two `quote`s, both included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Code without the items under `#[cfg(test)]`. Tells the names of modules that are files of their own.
fn without_tests(code: &str, mut module_file: impl FnMut(&str)) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        let item = &rest[at + MARK.len()..];
        let end = item.find([';', '{']).expect("an item has a body or an end");
        if item[end..].starts_with(';') {
            if let Some((_, name)) = item[..end].split_once("mod ") {
                module_file(name);
            }
            rest = &item[end + 1..];
            continue;
        }
        let mut depth = 0;
        let close = item[end..].char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0
        });
        rest = &item[end + close.expect("braces are balanced").0 + 1..];
    }
    kept + rest
}

/// The lines on which a rule is broken, for a message.
fn lines_with(source: &Source, name: &str) -> Vec<String> {
    let starts_word = name.starts_with(is_word);
    let found = |line: &&str| {
        // `runtime::tokio_like` is not `tokio`.
        line.match_indices(name).any(|(at, _)| !starts_word || !line[..at].ends_with(is_word))
    };
    source.code.lines().filter(found).map(|line| format!("{}: `{}`", source.path, line.trim())).collect()
}

#[test]
fn what_must_be_absent_is_absent() {
    let mut broken = Vec::new();
    for source in sources() {
        for ban in BANS.iter().filter(|ban| !ban.allowed_in.iter().any(|folder| source.path.starts_with(folder))) {
            broken.extend(lines_with(&source, ban.name).into_iter().map(|line| format!("{line}: {}", ban.because)));
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// The layer table of `ARCHITECTURE.md`: each module with what it may import.
fn layers() -> BTreeMap<String, Vec<String>> {
    let text = architecture();
    let (_, table) = text.split_once("| module | may import |").expect("ARCHITECTURE.md has a layer table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let names = |cell: &str| -> Vec<String> { quoted_names(cell).into_iter().map(str::to_owned).collect() };
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let module = names(cells[0]).pop().expect("a row begins with a module");
        (module, names(cells[1]))
    })
    .collect()
}

/// The modules that a file imports: what follows `crate::`, also in braces.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with(is_word)) {
        let after = &code[at + "crate::".len()..];
        match after.strip_prefix('{') {
            None => found.push(first_word(after)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in list.char_indices() {
                    if start && is_word(c) {
                        found.push(first_word(&list[at..]));
                        start = false;
                    }
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| is_word(*c)).collect()
}

#[test]
fn layers_import_only_what_is_below_them() {
    let layers = layers();
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !["lib", "main"].contains(&source.module())) {
        let own = source.module();
        let allowed = layers.get(own).unwrap_or_else(|| panic!("`{own}` is not in the layer table"));
        for imported in imports(&source.code) {
            if imported != own && !allowed.contains(&imported) {
                broken.push(format!("{}: `{own}` must not import `{imported}`", source.path));
            }
        }
    }
    broken.dedup();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Nobody imports, over however many steps, somebody who imports them.
#[test]
fn layers_have_no_cycle() {
    let mut left = layers();
    while !left.is_empty() {
        let modules: Vec<String> = left.keys().cloned().collect();
        left.retain(|_, imports| imports.iter().any(|import| modules.contains(import)));
        assert!(left.len() < modules.len(), "a cycle among {modules:?}");
    }
}

/// What stands in backticks.
fn quoted_names(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Every folder of `src` and every file at its top, from there, folders with `/` at their end.
fn modules(folder: &Path, modules: &mut Vec<String>) {
    let src = root().join("src");
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry").path();
        let inside = path.strip_prefix(&src).expect("a folder of src").to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            modules.push(inside + "/");
            self::modules(&path, modules);
        } else if folder == src {
            modules.push(inside);
        }
    }
}

#[test]
fn the_map_names_every_module() {
    let text = architecture();
    let (_, map) = text.split_once("## The map").expect("ARCHITECTURE.md has a map");
    let map = map.split("\n## ").next().expect("a text has a first part");
    let named = quoted_names(map);
    let mut missing = Vec::new();
    modules(&root().join("src"), &mut missing);
    missing.retain(|path| {
        let name = path.trim_end_matches('/').rsplit('/').next().expect("a path has a part");
        // A folder may be named with its path, or beside the folder it stands in.
        !named.iter().any(|other| other.trim_end_matches('/') == path.trim_end_matches('/') || *other == name)
            && !named.contains(&format!("{name}/").as_str())
    });
    missing.sort();
    assert!(missing.is_empty(), "the map of ARCHITECTURE.md lacks {missing:?}");
    // And the table names nothing that is gone: what stands beside a folder is in it.
    for row in map.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let places: Vec<PathBuf> = quoted_names(cells[1]).iter().map(|name| root().join("src").join(name)).collect();
        let gone: Vec<&PathBuf> = places.iter().filter(|place| !place.exists()).collect();
        assert!(gone.is_empty(), "the map names {gone:?}");
        for name in quoted_names(cells[2]).iter().filter(|name| name.ends_with('/') || name.ends_with(".rs")) {
            assert!(places.iter().any(|place| place.join(name).exists()), "no `{name}` in {places:?}");
        }
    }
}

#[test]
fn files_can_be_read_in_one_sitting() {
    for source in sources() {
        let lines = source.code.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines of code, more than {MOST_LINES}", source.path);
    }
}

/// The rules above are only as good as what is cut out before.
#[test]
fn stripping_keeps_code_and_nothing_else() {
    let text = r##"
        use crate::{a::{b, c}, d}; // crate::comment
        /* crate::block */ fn f<'a>(x: &'a str) { g("crate::text // not a comment \" \\", '"', '\'', r#"crate::raw "x""#); h.ln(); }
        #[cfg(test)]
        pub(super) mod sample;
        #[cfg(test)]
        mod tests { fn t() { "}"; { crate::only_in_tests; } } }
        fn last() { crate::end() }
    "##;
    let mut files = Vec::new();
    let code = without_tests(&stripped(text), |module| files.push(module.to_owned()));
    assert_eq!(imports(&code), ["a", "d", "end"]);
    assert_eq!(files, ["sample"]);
    assert!(code.contains("h.ln();") && code.contains("fn last()") && !code.contains("not a comment"), "{code}");
    let source = Source { path: "src/x.rs".to_owned(), code };
    assert_eq!((lines_with(&source, ".ln(").len(), lines_with(&source, "sample").len()), (1, 0));
}
