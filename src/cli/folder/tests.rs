//! What can be asked without a run. What becomes of folders is in `tests/files`.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;

/// A folder of its own for one test.
fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("simlab-folder-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn one_at_a_time() {
    let folder = scratch("lock");
    let wait = |interrupted: bool| {
        Lock::wait(&folder, Path::new("out"), &AtomicBool::new(interrupted), Duration::from_millis(20))
    };
    let lock = wait(false).unwrap().unwrap();
    assert!(Lock::of_dead(&folder).is_none(), "it lives");
    assert!(matches!(wait(false), Err(FolderError::Busy(path)) if path == Path::new("out")));
    assert!(matches!(wait(true), Err(FolderError::Interrupted)));
    assert!(Lock::fresh(&folder).is_err(), "not made here");
    // Whose file is gone has another one's lock, or none.
    fs::remove_file(lock.path()).unwrap();
    let other = wait(false).unwrap().unwrap();
    drop(lock);
    assert!(is_file(other.path()), "not that of the first");
    drop(other);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    wait(false).unwrap().unwrap().leave();
    assert!(Lock::of_dead(&folder).is_some(), "left, and nobody has it");
    fs::remove_dir_all(&folder).unwrap();
    assert!(wait(false).unwrap().is_none(), "no folder");
}

#[test]
fn names_lead_nowhere_else() {
    for name in ["report.html", "charts/storm.svg", "charts", "a-b_c.1"] {
        assert!(owned::is_name(name), "{name}");
    }
    for name in
        ["", "..", ".", ".git", "/etc", "charts/", "charts/..", "charts/a/b", "a/b", "a\\b", "chartsa/b", "a\n", "ä"]
    {
        assert!(!owned::is_name(name), "{name}");
    }
    assert!(owned::possible(true).iter().all(|name| owned::is_name(name)));
}

#[test]
fn fresh_names_are_known() {
    let (one, other) = (leftover::fresh_name().unwrap(), leftover::fresh_name().unwrap());
    assert!(one != other && leftover::is_fresh(one.as_ref()) && leftover::is_fresh(other.as_ref()));
    for name in
        [lock::NAME, record::NAME, ".simlab-", ".simlab-12345", "simlab-0123456789abcdef", ".simlab-0123456789abcdeF"]
    {
        assert!(!leftover::is_fresh(name.as_ref()), "{name}");
    }
    // Test vectors of the authors of FNV.
    assert_eq!(record::hash(b""), "fnv1a64:cbf29ce484222325");
    assert_eq!(record::hash(b"foobar"), "fnv1a64:85944171f73967e8");
}

#[test]
fn places_are_found_without_links() {
    let root = fs::canonicalize(scratch("place")).unwrap();
    fs::create_dir_all(root.join("a/b")).unwrap();
    let found =
        |name: &str| place::resolve(&root.join(name)).ok().map(|path| path.strip_prefix(&root).unwrap().to_owned());
    for (name, path) in [("a/b/../c/d", "a/c/d"), ("a/./b/", "a/b"), ("x/y/", "x/y"), ("a/b/../..", "")] {
        assert_eq!(found(name).as_deref(), Some(Path::new(path)), "{name}");
    }
    assert_eq!((found("x/.."), found("x/../a"), found("a/x/../b")), (None, None, None));
    fs::remove_dir_all(root).unwrap();
}
