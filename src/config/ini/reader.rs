//! One file's text into sections: `configparser.RawConfigParser._read` of Python 3.11, line by line.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::{BadLine, DEFAULT_SECTION, IniError, Options, Origin, RawValue};

/// Reads one file. `DEFAULT` is among the sections if the file has it.
pub(super) fn read(text: &str, file: &Arc<Path>) -> Result<BTreeMap<String, Options>, IniError> {
    // Python opens files with universal newlines.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader::new(file);
    for (index, line) in text.lines().enumerate() {
        reader.line(index + 1, line)?;
    }
    reader.finish()
}

/// What Python's `str.isspace` holds true: Unicode's white space and the four ASCII separators.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

struct Reader<'a> {
    file: &'a Arc<Path>,
    sections: BTreeMap<String, Options>,
    /// The line of each section's header, for the message about a second one.
    headers: HashMap<String, usize>,
    section: Option<Section>,
    open: Option<OpenOption>,
    /// Columns of white space before the last line that was not a continuation.
    indent: usize,
    bad_lines: Vec<BadLine>,
}

/// The section that lines now go to; taken out of the map as long as it is current.
struct Section {
    name: String,
    options: Options,
}

/// The key that indented lines now continue.
struct OpenOption {
    key: String,
    lines: Vec<String>,
    line: usize,
}

impl<'a> Reader<'a> {
    fn new(file: &'a Arc<Path>) -> Self {
        Reader {
            file,
            sections: BTreeMap::new(),
            headers: HashMap::new(),
            section: None,
            open: None,
            indent: 0,
            bad_lines: Vec::new(),
        }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), IniError> {
        let value = line.trim_matches(is_space);
        if value.is_empty() {
            if let Some(open) = &mut self.open {
                open.lines.push(String::new());
            }
            return Ok(());
        }
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        if indent > self.indent
            && let Some(open) = &mut self.open
        {
            open.lines.push(value.to_owned());
            return Ok(());
        }
        self.indent = indent;
        if let Some(name) = header(value) {
            return self.begin_section(number, name);
        }
        if self.section.is_none() {
            return Err(IniError::MissingSectionHeader {
                origin: self.origin(number),
                byte_order_mark: line.starts_with('\u{feff}'),
            });
        }
        self.option(number, value)
    }

    fn begin_section(&mut self, number: usize, name: &str) -> Result<(), IniError> {
        self.close_section();
        // `[DEFAULT]` may come any number of times; that is how Python has it.
        if name != DEFAULT_SECTION
            && let Some(first) = self.headers.insert(name.to_owned(), number)
        {
            return Err(IniError::DuplicateSection { origin: self.origin(number), first, section: name.to_owned() });
        }
        let options = self.sections.remove(name).unwrap_or_default();
        self.section = Some(Section { name: name.to_owned(), options });
        Ok(())
    }

    fn option(&mut self, number: usize, text: &str) -> Result<(), IniError> {
        let Some((name, value)) = text.split_once(['=', ':']) else {
            // The open key stays open, as in Python. All malformed lines are reported together at the end.
            self.bad_lines.push(BadLine::new(number, text));
            return Ok(());
        };
        self.close_option();
        let key = name.trim_end_matches(is_space).to_lowercase();
        if key.is_empty() {
            self.bad_lines.push(BadLine::new(number, text));
            return Ok(());
        }
        if let Some(section) = &self.section
            && let Some(first) = section.options.get(&key)
        {
            let (first, section) = (first.origin.line().unwrap_or(number), section.name.clone());
            return Err(IniError::DuplicateOption { origin: self.origin(number), first, section, key });
        }
        let value = value.trim_matches(is_space).to_owned();
        self.open = Some(OpenOption { key, lines: vec![value], line: number });
        Ok(())
    }

    fn close_option(&mut self) {
        let Some(OpenOption { key, lines, line }) = self.open.take() else { return };
        let origin = self.origin(line);
        if let Some(section) = &mut self.section {
            let text = lines.join("\n").trim_end_matches(is_space).to_owned();
            section.options.insert(key, RawValue { text, origin });
        }
    }

    fn close_section(&mut self) {
        self.close_option();
        if let Some(Section { name, options }) = self.section.take() {
            self.sections.insert(name, options);
        }
    }

    fn finish(mut self) -> Result<BTreeMap<String, Options>, IniError> {
        self.close_section();
        if self.bad_lines.is_empty() {
            Ok(self.sections)
        } else {
            Err(IniError::Parsing { file: Arc::clone(self.file), lines: self.bad_lines })
        }
    }

    fn origin(&self, line: usize) -> Origin {
        Origin::Line { file: Arc::clone(self.file), line }
    }
}

/// The name in a section header: from the `[` that begins the line to the last `]`, at least one character, not trimmed.
/// What follows is ignored.
fn header(line: &str) -> Option<&str> {
    let inside = line.strip_prefix('[')?;
    let end = inside.rfind(']')?;
    if end == 0 { None } else { Some(&inside[..end]) }
}
