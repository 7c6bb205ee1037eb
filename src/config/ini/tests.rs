#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use super::*;

fn ini(text: &str) -> Ini {
    let mut ini = Ini::new();
    ini.read_str(text, "t.conf").unwrap_or_else(|error| panic!("{text:?}: {error}"));
    ini
}

fn raw<'a>(ini: &'a Ini, section: &str, key: &str) -> Option<&'a str> {
    ini.raw(section, key).map(|value| value.text.as_str())
}

fn refusal(text: &str) -> IniError {
    Ini::new().read_str(text, "t.conf").expect_err(text)
}

#[test]
fn values_as_they_stand() {
    let cases = [
        ("k = v", "k", "v"),
        ("k: v", "k", "v"),
        ("k=v", "k", "v"),
        ("x: y = z", "x", "y = z"),
        ("x = y : z", "x", "y : z"),
        ("k =", "k", ""),
        ("k = v ; note", "k", "v ; note"),
        ("k = https://h/p#frag", "k", "https://h/p#frag"),
        ("k = \"v\"", "k", "\"v\""),
        ("two words  = v", "two words", "v"),
        ("  indented = v", "indented", "v"),
        ("K\u{e4}SE = v", "k\u{e4}se", "v"),
        ("k = 100%%", "k", "100%%"),
        ("k = one\n  two\n\tthree", "k", "one\ntwo\nthree"),
        ("k =\n  one", "k", "\none"),
        ("k = one\n\n  two\n\n\n", "k", "one\n\ntwo"),
        ("k = one\n  # note\n; note\n  two", "k", "one\ntwo"),
        ("k = one\n  [not a section]\n  j = 2", "k", "one\n[not a section]\nj = 2"),
        ("  k = one\n    j=2", "k", "one\nj=2"),
        ("k = one\r\n two\r\n", "k", "one\ntwo"),
        ("k = one\r two\rj = 2", "k", "one\ntwo"),
        ("[k = v", "[k", "v"),
        ("k = a\u{b}b", "k", "a\u{b}b"),
        ("k\u{1f} = \u{1c}v\u{1d}", "k", "v"),
    ];
    for (line, key, value) in cases {
        assert_eq!(raw(&ini(&format!("[a]\n{line}")), "a", key), Some(value), "{line:?}");
    }
}

#[test]
fn section_names_as_they_stand() {
    for (header, name) in
        [("[ a ]", " a "), ("[a] ; c", "a"), ("[a] ] x", "a] "), ("[a.b-c]", "a.b-c"), ("  [a]", "a"), ("[]]", "]")]
    {
        let ini = ini(&format!("{header}\nk = v"));
        assert_eq!(ini.sections().collect::<Vec<_>>(), [name], "{header:?}");
    }
    assert!(!ini("[A]").has_section("a"), "names are case-sensitive");
}

#[test]
fn malformed_files_are_refused_with_their_lines() {
    let cases = [
        ("[a]\nkey", "t.conf:2: not a `key = value` line: `key`"),
        ("[a]\n= 1\nk=v\n\n: 2\n", "t.conf:2: not a `key = value` line: `= 1`; also line 5"),
        ("[a]\n[]", "t.conf:2: not a `key = value` line: `[]`"),
        ("[a]\nk = 1\nj = 2\nK : 3", "t.conf:4: `k` in section [a] already exists, it was set at line 2"),
        ("[a]\n[b]\n[a]", "t.conf:3: section [a] already exists, it began at line 1"),
        ("[DEFAULT]\nk=1\n[DEFAULT]\nk=2", "t.conf:4: `k` in section [DEFAULT] already exists, it was set at line 2"),
        ("# c\nk = v\n[a]", "t.conf:2: text before the first [section]"),
        ("\u{feff}[a]\nk = v", "t.conf:1: a byte order mark before the first [section]"),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text).to_string(), message, "{text:?}");
    }
}

#[test]
fn a_refused_file_changes_nothing() {
    let mut ini = ini("[a]\nk = v");
    assert!(ini.read_str("[a]\nk = other\n[a]", "second.conf").is_err());
    assert_eq!(raw(&ini, "a", "k"), Some("v"));
    assert_eq!(ini.files(), [Path::new("t.conf")]);
}

#[test]
fn later_files_override_key_by_key() {
    let mut ini = ini("[DEFAULT]\nd = 1\n[a]\nk = v\nj = w");
    ini.read_str("[DEFAULT]\nd = 2\n[a]\n\nK = x\n[b]", "user.conf").unwrap();
    assert_eq!((raw(&ini, "a", "k"), raw(&ini, "a", "j"), raw(&ini, "b", "d")), (Some("x"), Some("w"), Some("2")));
    assert_eq!(ini.raw("a", "k").unwrap().origin.to_string(), "user.conf:5");
    assert_eq!(ini.raw("a", "j").unwrap().origin.to_string(), "t.conf:5");
}

#[test]
fn default_is_inherited_by_sections_that_exist() {
    let ini = ini("[DEFAULT]\nd = 1\nk = inherited\n[a]\nk = own");
    assert_eq!((raw(&ini, "a", "d"), raw(&ini, "a", "k")), (Some("1"), Some("own")));
    assert!(ini.has_option("a", "D") && ini.own("a", "d").is_none());
    assert!(!ini.has_option("missing", "d") && !ini.has_section("DEFAULT"));
    assert_eq!(raw(&ini, "DEFAULT", "k"), Some("inherited"));
    assert_eq!(ini.keys("a").unwrap().into_iter().collect::<Vec<_>>(), ["d", "k"]);
    assert_eq!(ini.keys("missing"), None);
}

#[test]
fn interpolation_replaces_names_of_the_section_and_of_default() {
    let text = "[DEFAULT]\nhost = h\nurl = http://%(HOST)s/%(Path)s\n[a]\npath = p%%20%(n)s\nn = 1\nhost = own\n\
                raw = %%(n)s\nplain = 5%%";
    let ini = ini(text);
    for (key, value) in [("url", "http://own/p%201"), ("raw", "%(n)s"), ("plain", "5%"), ("n", "1")] {
        assert_eq!(ini.get("a", key).unwrap().unwrap().value, value, "{key}");
    }
    assert_eq!(ini.references("a", "url").into_iter().collect::<Vec<_>>(), ["host", "n", "path"]);
    assert_eq!(ini.items("a").unwrap().unwrap().len(), 6);
    assert!(ini.get("a", "missing").unwrap().is_none() && ini.get("b", "n").unwrap().is_none());
}

#[test]
fn interpolation_fails_when_the_key_is_read() {
    let ini = ini("[a]\nm = %(User)s\nlone = 50%\nopen = %(x\nd = %(n)d\nempty = %()s\nself = %(self)s\nn = 1");
    let missing = "Bad value substitution: option 'm' in section 'a' contains an interpolation key 'user' which is not \
                   a valid option name (t.conf:2)";
    assert_eq!(ini.get("a", "m").unwrap_err().to_string(), missing);
    for (key, line) in [("lone", 3), ("open", 4), ("d", 5), ("empty", 6)] {
        let error = ini.get("a", key).unwrap_err();
        assert!(matches!(error, IniError::InterpolationSyntax { .. }), "{key}: {error}");
        assert_eq!(error.origin().line(), Some(line));
    }
    assert!(matches!(ini.get("a", "self").unwrap_err(), IniError::InterpolationDepth { .. }));
    assert!(ini.items("a").is_err());
    assert_eq!(ini.get("a", "n").unwrap().unwrap().value, "1");
}

#[test]
fn ten_steps_of_interpolation_work_and_eleven_do_not() {
    let chain: String = (0..11).map(|n| format!("k{n} = %(k{})s\n", n + 1)).collect();
    let ini = ini(&format!("[a]\n{chain}k11 = end"));
    assert_eq!(ini.get("a", "k1").unwrap().unwrap().value, "end");
    assert!(matches!(ini.get("a", "k0").unwrap_err(), IniError::InterpolationDepth { .. }));
}

#[test]
fn interpolation_cannot_fill_memory() {
    for seed in ["x", ""] {
        let levels: String = (0..9).map(|n| format!("k{n} = {}\n", format!("%(k{})s", n + 1).repeat(1000))).collect();
        let ini = ini(&format!("[a]\n{levels}k9 = {seed}"));
        assert!(matches!(ini.get("a", "k0").unwrap_err(), IniError::InterpolationSize { .. }));
    }
}

#[test]
fn booleans_are_eight_words_in_any_case() {
    for (word, expected) in [("1", true), ("YES", true), ("True", true), ("on", true)].into_iter().chain([
        ("0", false),
        ("no", false),
        ("FALSE", false),
        ("Off", false),
    ]) {
        let ini = ini(&format!("[a]\nw = {word}\nk = %(w)s"));
        assert_eq!(ini.boolean("a", "k").unwrap().unwrap().value, expected, "{word}");
    }
    for word in ["", "t", "maybe", "true ; x", "2"] {
        let error = ini(&format!("[a]\nk = {word}")).boolean("a", "K").unwrap_err();
        assert_eq!(error.to_string(), format!("Not a boolean: {word} (t.conf:2, `k` of [a])"));
    }
    assert!(ini("[a]").boolean("a", "k").unwrap().is_none());
}

#[test]
fn integers_are_written_as_in_python() {
    for (text, expected) in [("30", 30), ("+3", 3), ("-1", -1), ("1_000", 1000), ("007", 7)] {
        assert_eq!(ini(&format!("[a]\nk = {text}")).int("a", "k").unwrap().unwrap().value, expected, "{text}");
    }
    for text in ["", "1.5", "0x1", "1__0", "_1", "1_", "- 1", "30 # s", "99999999999999999999"] {
        let error = ini(&format!("[a]\nk = {text}")).int("a", "k").unwrap_err();
        let message = format!("value for k config option must be a valid integer, not `{text}` (t.conf:2)");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn missing_files_are_skipped_and_unreadable_ones_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let mut ini = Ini::new();
    assert_eq!(ini.read_file(&folder.path().join("missing")), Ok(false));
    assert!(ini.unreadable().is_empty());
    assert_eq!(ini.read_file(folder.path()), Ok(false), "a folder is not a file");
    assert_eq!(ini.unreadable()[0].0, folder.path());
    let file = folder.path().join("latin1.conf");
    std::fs::write(&file, b"[a]\nk = caf\xe9\n").unwrap();
    let error = ini.read_file(&file).unwrap_err();
    assert!(matches!(&error, IniError::NotUtf8 { origin, offset: 11 } if origin.line() == Some(2)), "{error}");
    std::fs::write(&file, "[a]\nk = café\n").unwrap();
    assert_eq!(ini.read_file(&file), Ok(true));
    assert_eq!(raw(&ini, "a", "k"), Some("café"));
}
