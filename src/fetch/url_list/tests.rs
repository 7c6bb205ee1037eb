use super::*;

const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

fn list(text: &str) -> Vec<UrlArtifact> {
    parse(text.as_bytes(), &AllowedDomains::any()).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let allowed = AllowedDomains::only(["example.com", "h"]).unwrap();
    let error = parse(text.as_bytes(), &allowed).unwrap_err();
    error.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn entries_are_read_with_their_lines() {
    let text = format!(
        "# files\n- url: https://h/a.jar\n  md5: {MD5}\n  sha256: \"{sha256}\"\n- {{url: 'http://h/x?f=b.jar', md5: {MD5}}}\n- url: https://h/\n  target: sub/c.jar\n  sha1: {sha1}\n  source-url: https://h/c-src.tar.gz\n  source-md5: {MD5}\n",
        sha256 = "a".repeat(64),
        sha1 = "b".repeat(40)
    );
    let artifacts = list(&text);
    let shown: Vec<(&str, usize, usize, bool)> = artifacts
        .iter()
        .map(|artifact| (artifact.target.as_str(), artifact.line, artifact.checksums.len(), artifact.source.is_some()))
        .collect();
    assert_eq!(shown, [("a.jar", 2, 2, false), ("x?f=b.jar", 5, 1, false), ("sub/c.jar", 6, 1, true)]);
    let download = artifacts[2].download(&AllowedDomains::any());
    assert_eq!(download.target, Path::new("artifacts/sub/c.jar"));
    for empty in ["", "# nothing\n", "null\n", "[]\n"] {
        assert!(list(empty).is_empty(), "{empty:?}");
    }
}

#[test]
fn a_checksum_is_needed_and_it_is_not_sha512() {
    let all = problems(&format!("- url: https://h/a\n- url: https://h/b\n  sha512: {}\n", "a".repeat(128)));
    assert_eq!(all[0], "fetch-artifacts-url.yaml, line 1: `url` has no checksum: give md5, sha1 or sha256");
    assert!(all[1].contains("line 2: `url` has no checksum"), "{all:?}");
    assert!(all[2].contains("line 3: unknown key `sha512`"), "{all:?}");
    assert_eq!(all.len(), 3);
}

#[test]
fn targets_stay_beneath_the_folder() {
    for target in ["../a", "/a", "a/../../b", "..", ".", "''", "a//b", "./a", "a/", "\"a\\0b\"", "\"a\\nb\""] {
        let all = problems(&format!("- url: https://h/a\n  md5: {MD5}\n  target: {target}\n"));
        assert!(all.len() == 1 && all[0].contains("line 3: `target` is"), "{target}: {all:?}");
    }
    for url in ["https://h/", "https://h/a/"] {
        let all = problems(&format!("- url: {url}\n  md5: {MD5}\n"));
        assert!(all.len() == 1 && all[0].contains("does not end in a file's name"), "{url}: {all:?}");
    }
}

#[test]
fn targets_that_stand_in_each_others_way_are_refused() {
    let entry = |target: &str| format!("- {{url: 'https://h/a', md5: {MD5}, target: {target}}}\n");
    for (first, second) in [("a", "a"), ("a", "a/b"), ("a/b/c", "a"), ("a/b", "a/b/c/d")] {
        let all = problems(&(entry(first) + &entry(second)));
        let wanted = format!("line 2: {second:?} and {first:?} of line 1 cannot both");
        assert!(all.len() == 1 && all[0].contains(&wanted), "{all:?}");
    }
    assert_eq!(list(&(entry("a/b") + &entry("a/c") + &entry("a.b"))).len(), 3);
}

#[test]
fn only_allowed_domains_and_the_web() {
    for (url, wanted) in [
        ("https://user:secret@example.com.evil.org/a?token=t", "is at example.com.evil.org/a, and artifacts may not"),
        ("ftp://example.com/a", "is not an http or https address"),
        ("example.com/a", "is not an http or https address"),
        ("'https:///'", "is not an http or https address"),
    ] {
        let all = problems(&format!("- url: {url}\n  md5: {MD5}\n  target: a\n"));
        assert!(all.len() == 1 && all[0].contains(wanted), "{url}: {all:?}");
        assert!(!all[0].contains("secret") && !all[0].contains("token"), "{all:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = format!(
        "- url: https://h/a\n  md5: 12345678901234567890123456789012\n  source-md5: {MD5}\n- text\n- url: https://h/b\n  md5: {}\n  source-url: https://h/c\n  target: [x]\n- md5: {MD5}\n  md5: {MD5}\n",
        MD5.to_uppercase()
    );
    let wanted = [
        "line 2: `md5` is 12345678901234567890123456789012, but must be text",
        "line 3: `source-url` is missing",
        "line 4: an entry is \"text\", but must be a mapping",
        "line 6: `md5` is \"D41D",
        "line 7: `source-url` has no checksum: give source-md5, source-sha1",
        "line 8: `target` is a list, but must be text",
        "line 9: `url` is missing",
        "line 10: `md5` is set twice",
    ];
    let all = problems(&text);
    assert_eq!(all.len(), wanted.len(), "{all:#?}");
    for (problem, wanted) in all.iter().zip(wanted) {
        assert!(problem.contains(wanted), "{problem:?} has no {wanted:?}");
    }
}

#[test]
fn files_that_are_no_list_are_refused() {
    assert_eq!(problems("a: b\n"), ["fetch-artifacts-url.yaml, line 1: the file is a mapping, but must be a list"]);
    assert!(problems("- [\n")[0].contains("not valid YAML"));
    assert!(parse(b"\xff", &AllowedDomains::any()).is_err());
    assert!(parse(&vec![b'\n'; 1024 * 1024 + 1], &AllowedDomains::any()).is_err());
}

#[test]
fn lists_for_the_build_service_alone_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let read = || read(root.path(), &AllowedDomains::any());
    assert!(read().is_none());
    std::fs::write(root.path().join(FILE_NAME), "[]\n").unwrap();
    assert_eq!(read(), Some(Ok(Vec::new())));
    std::fs::write(root.path().join("fetch-artifacts-pnc.yaml"), "").unwrap();
    let error = read().unwrap().unwrap_err();
    assert!(error.to_string().starts_with("fetch-artifacts-pnc.yaml: it lists artifacts in a way"), "{error}");
    std::fs::write(root.path().join(FILE_NAME), "x\n").unwrap();
    assert_eq!(read().unwrap().unwrap_err().problems.len(), 2);
    std::fs::remove_file(root.path().join(FILE_NAME)).unwrap();
    std::fs::create_dir(root.path().join(FILE_NAME)).unwrap();
    std::fs::remove_file(root.path().join("fetch-artifacts-pnc.yaml")).unwrap();
    assert!(read().unwrap().unwrap_err().to_string().contains("cannot be read: it is not a regular file"));
}
