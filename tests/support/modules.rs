//! The modules of the crate and what they use of each other, read out of their source as Rust's own tokens: in `use`, in
//! expressions, in macros and in attributes. What only tests are made of does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::str::FromStr as _;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A module by its path: `["koji", "session"]`; the crate itself is empty.
pub(crate) type Module = Vec<String>;

/// Which modules there are, and what each uses.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// Every module, and the paths that stand in it, from the crate on.
    uses: BTreeMap<Module, BTreeSet<Module>>,
}

impl Modules {
    /// Reads all modules below `lib.rs` of a folder.
    pub(crate) fn read(source: &Path) -> Modules {
        let mut modules = Modules::default();
        modules.read_file(source, &source.join("lib.rs"), &Vec::new());
        modules
    }

    /// Takes a module's text; for tests of this reader.
    pub(crate) fn with(mut self, module: &str, text: &str) -> Modules {
        self.add(&path(module), text);
        self
    }

    fn read_file(&mut self, source: &Path, file: &Path, module: &Module) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for child in self.add(module, &text) {
            let folder = child.iter().fold(source.to_owned(), |folder, name| folder.join(name));
            let candidates = [folder.with_extension("rs"), folder.join("mod.rs")];
            let file = candidates.iter().find(|file| file.exists()).unwrap_or_else(|| panic!("no file of {child:?}"));
            self.read_file(source, file, &child);
        }
    }

    /// Takes a module's text. Returns its children that are in files of their own.
    fn add(&mut self, module: &Module, text: &str) -> Vec<Module> {
        let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{module:?}: {error}"));
        let mut reader = Reader { module: module.clone(), uses: BTreeSet::new(), children: Vec::new() };
        reader.stream(tokens);
        self.uses.insert(module.clone(), reader.uses);
        reader.children
    }

    /// The modules at the top, by name.
    pub(crate) fn rooms(&self) -> BTreeSet<&str> {
        self.uses.keys().filter_map(|module| module.first()).map(String::as_str).collect()
    }

    /// What each module uses of other modules.
    pub(crate) fn arrows(&self) -> impl Iterator<Item = (&Module, &[String])> {
        self.uses.iter().flat_map(|(from, paths)| {
            let known = paths.iter().map(|path| self.known(path));
            known.filter(move |to| *to != from.as_slice()).map(move |to| (from, to))
        })
    }

    /// The module that a path leads to: what stands behind it is an item in it.
    fn known<'a>(&self, path: &'a [String]) -> &'a [String] {
        let is_there = |length: &usize| self.uses.contains_key(&path[..*length]);
        &path[..(0..=path.len()).rev().find(is_there).unwrap_or(0)]
    }

    /// The circles of siblings: children of one parent that use each other, by themselves or by what is below them. A parent and
    /// its children may use each other.
    pub(crate) fn circles(&self) -> BTreeSet<String> {
        let mut siblings: BTreeMap<&[String], BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        for (from, to) in self.arrows() {
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if let (Some(one), Some(other)) = (from.get(shared), to.get(shared)) {
                siblings.entry(&from[..shared]).or_default().entry(one).or_default().insert(other);
            }
        }
        let mut circles = BTreeSet::new();
        for (parent, graph) in &siblings {
            for names in strongly_connected(graph) {
                let names = names.into_iter().collect::<Vec<_>>().join(", ");
                circles.insert(if parent.is_empty() { names } else { format!("{}: {names}", parent.join("::")) });
            }
        }
        circles
    }
}

/// Names that can be reached from each other.
fn strongly_connected<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<BTreeSet<&'a str>> {
    let reached = |from: &'a str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(name) = next.pop() {
            let fresh = graph.get(name).into_iter().flatten().filter(|to| seen.insert(**to));
            next.extend(fresh.copied().collect::<Vec<_>>());
        }
        seen
    };
    let all: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|name| (*name, reached(name))).collect();
    let circle = |name: &&'a str| -> BTreeSet<&'a str> {
        all[name].iter().copied().filter(|other| all.get(other).is_some_and(|back| back.contains(name))).collect()
    };
    all.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

fn path(text: &str) -> Module {
    text.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

struct Reader {
    module: Module,
    uses: BTreeSet<Module>,
    children: Vec<Module>,
}

impl Reader {
    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_for_tests(&tokens[at..]) {
                at += 2;
                while !ends_an_item(tokens.get(at)) {
                    at += 1;
                }
            } else if let Some(attribute) = attribute(&tokens[at..]) {
                self.stream(attribute.stream());
                self.quoted(attribute.stream());
                at += 1;
            } else if let Some((name, content)) = inline_module(&tokens[at..]) {
                self.module.push(name);
                self.stream(content.stream());
                self.module.pop();
                at += 2;
            } else if let [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(end), ..] = &tokens[at..]
                && (word == "mod", end.as_char()) == (true, ';')
            {
                self.children.push([self.module.as_slice(), &[name.to_string()]].concat());
                at += 2;
            } else if let Some(base) = self.base(&tokens[at..]) {
                at += self.path(base, &tokens[at + 1..]);
            } else if let TokenTree::Group(group) = &tokens[at] {
                self.stream(group.stream());
            }
            at += 1;
        }
    }

    /// The module that `crate`, `self` or `super` stands for, where a path begins with it.
    fn base(&self, tokens: &[TokenTree]) -> Option<Module> {
        let TokenTree::Ident(word) = tokens.first()? else { return None };
        let is_path = is_separator(tokens.get(1..)?);
        match word.to_string().as_str() {
            "crate" if is_path => Some(Module::new()),
            "self" if is_path => Some(self.module.clone()),
            "super" if is_path => Some(self.module[..self.module.len().saturating_sub(1)].to_vec()),
            _ => None,
        }
    }

    /// Follows a path behind its first word, into the braces of a `use`. Returns how many tokens it has.
    fn path(&mut self, mut path: Module, tokens: &[TokenTree]) -> usize {
        let mut at = 0;
        while is_separator(&tokens[at..]) {
            match tokens.get(at + 2) {
                Some(TokenTree::Ident(word)) => step(&mut path, &word.to_string()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.branches(&path, group);
                    return at + 3;
                }
                _ => break,
            }
            at += 3;
        }
        self.uses.insert(path);
        at
    }

    fn branches(&mut self, path: &Module, group: &Group) {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        for branch in tokens.split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',')) {
            let Some(TokenTree::Ident(word)) = branch.first() else { continue };
            let mut path = path.clone();
            step(&mut path, &word.to_string());
            self.path(path, &branch[1..]);
        }
    }

    /// Paths in the strings of an attribute, as `#[serde(with = "crate::…")]` has them.
    fn quoted(&mut self, attribute: TokenStream) {
        for token in attribute {
            match token {
                TokenTree::Group(group) => self.quoted(group.stream()),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    let text = text.trim_matches('"');
                    if text.starts_with("crate::") || text.starts_with("super::") {
                        TokenStream::from_str(text).into_iter().for_each(|path| self.stream(path));
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

fn step(path: &mut Module, word: &str) {
    match word {
        "super" => drop(path.pop()),
        "self" => {}
        word => path.push(word.to_owned()),
    }
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    colon(tokens.first()) && colon(tokens.get(1))
}

fn attribute(tokens: &[TokenTree]) -> Option<&Group> {
    let [TokenTree::Punct(mark), TokenTree::Group(group), ..] = tokens else { return None };
    (mark.as_char() == '#' && group.delimiter() == Delimiter::Bracket).then_some(group)
}

fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let Some(attribute) = attribute(tokens) else { return false };
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

fn ends_an_item(token: Option<&TokenTree>) -> bool {
    match token {
        None => true,
        Some(TokenTree::Punct(mark)) => mark.as_char() == ';',
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
        Some(_) => false,
    }
}

fn inline_module(tokens: &[TokenTree]) -> Option<(String, &Group)> {
    let [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(content), ..] = tokens else { return None };
    (word == "mod" && content.delimiter() == Delimiter::Brace).then(|| (name.to_string(), content))
}
