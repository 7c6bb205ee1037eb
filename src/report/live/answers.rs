//! What commands answer besides a build: findings, a dry run, the configuration, the list of builds, the error that ends it all.

use std::io::{self, Write};

use crate::event::{BuildEvent, ConfigReport, ConfigValue, Fault, Finding, Severity, Standing};

use super::{Line, Live, Tone};
use crate::report::{sanitize, summary};

impl<Out: Write, Err: Write> Live<Out, Err> {
    pub(super) fn answer(&mut self, event: &BuildEvent) -> io::Result<()> {
        match event {
            BuildEvent::Found(finding) => self.found(finding),
            BuildEvent::DryRun(run) => self.writer.quote(run.text.strip_suffix('\n').unwrap_or(&run.text)),
            BuildEvent::Standing(standing) => {
                self.standings.push((**standing).clone());
                Ok(())
            }
            BuildEvent::Configured(config) => self.config(config),
            BuildEvent::Setting { value, file, .. } => match file {
                Some(file) => self.writer.print(format!("Config value changed, don't forget to commit {file} file")),
                None => self.writer.print(value.as_str()),
            },
            // The findings in it were told one by one.
            _ => Ok(()),
        }
    }

    /// What a check found, in the form compilers use: `Dockerfile:3: error: … [id]`.
    fn found(&mut self, finding: &Finding) -> io::Result<()> {
        let place = match (&finding.file, finding.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        let (severity, tone) = match finding.severity {
            Severity::Error => ("error:", Tone::Bad),
            Severity::Warning => ("warning:", Tone::Warning),
            Severity::Note => ("note:", Tone::Note),
        };
        let line = Line::new().add(place).toned(tone, severity).add(" ").text(&finding.message);
        self.writer.say(line.add(format_args!(" [{}]", finding.id)))?;
        let Some(hint) = &finding.hint else { return Ok(()) };
        self.writer.say(Line::new().add("  hint: ").text(hint))
    }

    /// The configuration in force, one value a line, by section.
    fn config(&mut self, config: &ConfigReport) -> io::Result<()> {
        let mut section = None;
        for value in &config.values {
            if section != Some(&value.section) {
                if section.is_some() {
                    self.writer.print("")?;
                }
                self.writer.quote(&format!("[{}]", value.section))?;
                section = Some(&value.section);
            }
            self.value(value)?;
        }
        Ok(())
    }

    fn value(&mut self, value: &ConfigValue) -> io::Result<()> {
        let text = match (&value.value, &value.error) {
            (Some(text), _) => text.clone(),
            (None, None) => value.raw.clone(),
            (None, Some(error)) => format!("{} (unusable: {error})", value.raw),
        };
        let text = format!("{} = {}  ", value.key, text.replace('\n', "\n    "));
        let place = format!("# {}", value.place);
        if self.mode.color_stdout {
            return self.writer.print(Line::new().text(text).toned(Tone::Faint, place));
        }
        self.writer.quote(&(text + &place))
    }

    /// The builds that were submitted from here, as a table.
    pub(super) fn tell_standings(&mut self) -> io::Result<()> {
        let standings = std::mem::take(&mut self.standings);
        if standings.is_empty() {
            return Ok(());
        }
        let header = ["ID", "STATE", "SERVER", "COMPONENT", "BRANCH", "TARGET", "SUBMITTED"].map(str::to_owned);
        let rows = standings.iter().map(row);
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
            .into_iter()
            .try_for_each(|line| self.writer.print(line))
    }

    /// The error that ends a command.
    pub(super) fn failed(&mut self, fault: &Fault) -> io::Result<()> {
        self.end_what_moves()?;
        if let Some(line) = self.untold.take() {
            self.writer.print(line)?;
        }
        summary::fault(fault).into_iter().try_for_each(|line| self.writer.say(line))
    }
}

/// A build that was submitted from here, in cells.
fn row(standing: &Standing) -> [String; 7] {
    let Standing { build, state, profile, component, branch, target, submitted, url: _ } = standing;
    let builder = &build.builder;
    let server = match profile.as_str() {
        "" => builder.to_string(),
        profile if profile == builder.0 => profile.to_owned(),
        profile => format!("{builder}:{profile}"),
    };
    let submitted = submitted.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let cells: [&str; 7] = [&build.id.0, state.unwrap_or("unknown"), &server, component, branch, target, &submitted];
    cells.map(|cell| sanitize::line(cell.as_bytes()).into_owned())
}

/// A table: each column as wide as its widest cell, two blanks between.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Vec<Line> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        Line::from(cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["ID".to_owned(), "STATE".into()], ["12345".into(), "open".into()]];
        let lines: Vec<String> = table(&rows).iter().map(|line| line.render(false)).collect();
        assert_eq!(lines, ["ID     STATE", "12345  open"]);
    }
}
