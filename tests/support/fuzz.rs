//! Feeds mutated input to a parser for a while: `cargo run --example fuzz -- PARSER SECONDS [SEED]`.
//!
//! Every input that makes a parser panic is written to the current folder before the program ends with the panic.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers")]

use std::time::{Duration, Instant};

use fedpkg_container_build::koji::xmlrpc;

/// A parser and what it is fed with at first.
struct Target {
    name: &'static str,
    seeds: &'static [&'static str],
    run: fn(&[u8]),
}

const TARGETS: &[Target] = &[Target {
    name: "xmlrpc",
    seeds: &[
        "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><struct>\n<member>\n<name>id</name>\n<value><int>25</int></value>\n</member>\n<member>\n<name>request</name>\n<value><array><data>\n<value><string>git+https://h/c?d#e &amp; f</string></value>\n<value><nil/></value>\n<value><double>1.5</double></value><value><boolean>1</boolean></value><value><base64>AAE=</base64></value></data></array></value>\n</member>\n</struct></value>\n</param>\n</params>\n</methodResponse>\n",
        "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1000</int></value></member><member><name>faultString</name><value>x</value></member></struct></value></fault></methodResponse>",
    ],
    run: |input| drop(xmlrpc::decode_answer(input)),
}];

/// Pieces that parsers of text find interesting.
const TOKENS: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "&",
    ";",
    "&#x0;",
    "&lt;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "<!DOCTYPE a [",
    "<value>",
    "</value>",
    "<array><data>",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\0",
    "\\",
    "\\\n",
    "\"",
    "'",
    "$",
    "${",
    "}",
    ":-",
    ":+",
    "=",
    ":",
    "#",
    "[",
    "]",
    "%",
    "%(",
    ")s",
    "- ",
    "---\n",
    "...\n",
    "*a",
    "&a ",
    "!!int ",
    "|\n",
    ">\n",
    "{",
    ",",
    "FROM ",
    "LABEL ",
    "ENV ",
    "ARG ",
    "AS ",
    "\u{feff}",
    "\u{202e}",
    "\x1b[31m",
    "\u{e9}",
    "-9223372036854775808",
    "1e999",
    "[DEFAULT]\n",
    "STEP 1/2: ",
    "[1/2] STEP 3/4: ",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (Some(name), Some(seconds)) = (arguments.get(1), arguments.get(2).and_then(|text| text.parse().ok())) else {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: fuzz PARSER SECONDS [SEED], where PARSER is one of {}", names.join(", "));
        std::process::exit(2);
    };
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        eprintln!("no parser is called {name}");
        std::process::exit(2);
    };
    let seed = arguments.get(3).and_then(|text| text.parse().ok()).unwrap_or(1);
    let inputs = run(target, Duration::from_secs(seconds), seed);
    println!("{name}: {inputs} inputs in {seconds} s, no panic");
}

/// Returns how many inputs there were.
fn run(target: &Target, duration: Duration, seed: u64) -> u64 {
    let mut random = Random(seed | 1);
    let mut corpus: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let end = Instant::now() + duration;
    let mut inputs = 0;
    while Instant::now() < end {
        for _ in 0..100 {
            let mut input = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(6) {
                mutate(&mut input, &corpus, &mut random);
            }
            input.truncate(64 * 1024);
            let attempt = std::panic::catch_unwind(|| (target.run)(&input));
            if let Err(panic) = attempt {
                let path = format!("fuzz-{}-{inputs}.bin", target.name);
                std::fs::write(&path, &input).expect("the input that panics can be written");
                eprintln!("{path} makes {} panic", target.name);
                std::panic::resume_unwind(panic);
            }
            inputs += 1;
            // Mutants of mutants go deeper; a bounded corpus keeps some of them.
            if random.below(50) == 0 {
                let at = target.seeds.len() + random.below(256);
                if at < corpus.len() { corpus[at] = input } else { corpus.push(input) }
            }
        }
    }
    inputs
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = at + random.below((input.len() - at).min(32) + 1);
    match random.below(6) {
        0 if at < input.len() => input[at] = random.next() as u8,
        1 => drop(input.drain(at..end)),
        2 => drop(input.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
        3 => {
            let piece = input[at..end].repeat(1 + random.below(20));
            drop(input.splice(at..at, piece));
        }
        4 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            let to = from + random.below((other.len() - from).min(64) + 1);
            drop(input.splice(at..end, other[from..to].iter().copied()));
        }
        _ => input.truncate(at),
    }
}

/// Marsaglia's xorshift: the same seed gives the same inputs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }
}
