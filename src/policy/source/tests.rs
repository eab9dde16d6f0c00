use super::*;
use crate::policy::load_file;
use std::collections::BTreeMap;

struct Files(BTreeMap<&'static str, &'static str>);

impl Loader for Files {
    fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let below = |path: &&str| {
            let (inside, name) = path.rsplit_once('/').unwrap_or(("", path));
            (inside == folder).then(|| name.to_owned())
        };
        Ok(self.0.keys().rev().filter_map(below).collect())
    }
    fn read(&self, path: &str, max: usize) -> Result<String, String> {
        let text = self.0.get(path).ok_or("not there")?;
        if text.len() > max { Err("too long".into()) } else { Ok((*text).into()) }
    }
}

fn gather(main: &str, files: &[(&'static str, &'static str)]) -> (Sources, Problems) {
    let main = SourceFile { name: "/etc/refwarden/policy.toml".into(), text: main.into() };
    Sources::gather(main, "/etc/refwarden", &Files(files.iter().copied().collect()))
}

fn names(sources: &Sources) -> Vec<&str> {
    sources.files().map(|(_, file)| file.name.as_str()).collect()
}

#[test]
fn files_come_sorted_once_and_without_dot_files() {
    let files = [
        ("policy.toml", "itself = true"),
        ("policy.d/b.toml", ""),
        ("policy.d/a.toml", ""),
        ("policy.d/.a.toml", "hidden = true"),
        ("policy.d/a.toml~", ""),
        ("policy.d/deeper/c.toml", ""),
        ("one.toml", ""),
    ];
    let (sources, problems) =
        gather(r#"include = ["policy.d/*.toml", "policy.d/a*.toml", "*.toml"]"#, &files);
    assert!(!problems.has_error(), "{problems:?}");
    let folder = "/etc/refwarden/";
    let expected = ["policy.toml", "policy.d/a.toml", "policy.d/b.toml", "one.toml"];
    assert_eq!(names(&sources), expected.map(|name| format!("{folder}{name}")));
    assert_eq!(sources.short_names(), expected);
}

#[test]
fn an_include_cannot_leave_its_folder() {
    for out in ["../x.toml", "/etc/shadow", "a/../../x", "a/./b", ".x.toml", "a//b", "", "a/"] {
        let main = format!("include = ['{out}']");
        let (sources, problems) = gather(&main, &[("x.toml", ""), ("../x.toml", "")]);
        assert!(problems.has_error() && names(&sources).len() == 1, "{out}");
        assert_eq!(problems.into_sorted()[0].code, PolicyCode::Include, "{out}");
    }
}

#[test]
fn what_is_too_large_is_not_even_parsed() {
    let main = SourceFile { name: "p".into(), text: "[".repeat(MAX_BYTES + 1) };
    let (_, result) = load_file(main, "/", &NoIncludes);
    let problems = result.unwrap_err();
    assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), [PolicyCode::TooLarge]);
}

#[test]
fn included_files_count_towards_the_limit() {
    let text: &'static str = Box::leak("#".repeat(MAX_BYTES / 2).into_boxed_str());
    let files = [("d/a", text), ("d/b", text), ("d/c", "")];
    let (sources, problems) = gather("include = ['d/*']", &files);
    assert!(problems.has_error() && sources.total() <= MAX_BYTES);
}

#[test]
fn lines_are_found_by_byte() {
    let file = SourceFile { name: "p".into(), text: "a\r\nbc\n\nd".into() };
    let sources = Sources::new(file, "/etc/refwarden/");
    let line = |start| sources.line_of(At { file: 0, start, end: start });
    assert_eq!(line(0), (1, "a", 0));
    assert_eq!(line(4), (2, "bc", 1));
    assert_eq!(line(6), (3, "", 0));
    assert_eq!(line(7), (4, "d", 0));
    assert_eq!(line(900), (4, "d", 1));
    assert_eq!(sources.absolute("state"), "/etc/refwarden/state");
    assert_eq!(sources.absolute("/x"), "/x");
}
