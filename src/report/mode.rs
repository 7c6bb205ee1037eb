//! How output looks, decided once out of the command line, the environment and what the streams are.

use super::reader::{self, Stream};

/// The shape of what goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people and for scripts that read rpkg's.
    Text,
    /// JSON Lines.
    Json,
}

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless the environment forbids it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the decision is made from.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// What standard output is.
    pub stdout: Stream,
    /// What standard error is.
    pub stderr: Stream,
    /// Both are the same terminal, file or pipe.
    pub one_place: bool,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set and not `0`.
    pub force_color: bool,
    /// `TERM` is `dumb`, or a CI system's variable is set: lines only, whatever the terminal could do.
    pub plain: bool,
    /// The locale's encoding is UTF-8.
    pub utf8: bool,
}

/// How output looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputMode {
    /// The shape of standard output.
    pub format: Format,
    /// Whether what is quoted (logs, a dry run) has to be made harmless on standard output: where a terminal shows it in the end.
    pub sanitize_stdout: bool,
    /// Whether people see both streams in one place.
    pub one_place: bool,
    /// Colour on standard output.
    pub color_stdout: bool,
    /// Colour on standard error.
    pub color_stderr: bool,
    /// Whether bars are drawn, on standard error.
    pub bars: bool,
    /// Whether bars may use more than ASCII.
    pub utf8: bool,
    /// Only results, warnings, findings and errors are told.
    pub quiet: bool,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_this_process() -> Surroundings {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let text = |name: &str| std::env::var(name).unwrap_or_default();
        let ci = ["CI", "GITHUB_ACTIONS", "GITLAB_CI"].iter().any(|name| set(name));
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(text).into_iter().find(|value| !value.is_empty());
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        Surroundings {
            stdout: Stream::of(&stdout),
            stderr: Stream::of(&stderr),
            one_place: reader::are_one(&stdout, &stderr),
            no_color: set("NO_COLOR"),
            force_color: set("CLICOLOR_FORCE") && text("CLICOLOR_FORCE") != "0",
            plain: ci || text("TERM") == "dumb",
            utf8: locale.ends_with("utf-8") || locale.ends_with("utf8"),
        }
    }
}

impl OutputMode {
    /// Decides.
    pub fn decide(format: Format, color: Color, quiet: bool, around: &Surroundings) -> OutputMode {
        let colored = |stream: Stream| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !around.no_color && (around.force_color || (stream == Stream::Terminal && !around.plain)),
        };
        // Somebody who looks at a terminal through `| tee` sees what is written to the pipe between what is drawn.
        let through_pipe = around.stdout == Stream::Pipe && around.stderr == Stream::Terminal;
        let is_drawn_on = around.stderr == Stream::Terminal && around.stdout != Stream::Pipe && !around.plain;
        OutputMode {
            format,
            sanitize_stdout: around.stdout == Stream::Terminal || through_pipe,
            one_place: around.one_place,
            color_stdout: colored(around.stdout) && format == Format::Text,
            color_stderr: colored(around.stderr),
            bars: is_drawn_on && !quiet && format == Format::Text,
            utf8: around.utf8,
            quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Surroundings = Surroundings {
        stdout: Stream::Pipe,
        stderr: Stream::Pipe,
        one_place: false,
        no_color: false,
        force_color: false,
        plain: false,
        utf8: true,
    };
    const TERMINAL: Surroundings =
        Surroundings { stdout: Stream::Terminal, stderr: Stream::Terminal, one_place: true, ..PIPE };

    #[test]
    fn colour_and_bars() {
        let cases = [
            ("terminal", TERMINAL, Color::Auto, true, true),
            ("pipe", PIPE, Color::Auto, false, false),
            ("through tee", Surroundings { stdout: Stream::Pipe, ..TERMINAL }, Color::Auto, false, false),
            ("into a file", Surroundings { stdout: Stream::File, ..TERMINAL }, Color::Auto, false, true),
            ("NO_COLOR", Surroundings { no_color: true, ..TERMINAL }, Color::Auto, false, true),
            ("CI", Surroundings { plain: true, ..TERMINAL }, Color::Auto, false, false),
            ("forced in a pipe", Surroundings { force_color: true, ..PIPE }, Color::Auto, true, false),
            (
                "NO_COLOR wins over force",
                Surroundings { no_color: true, force_color: true, ..PIPE },
                Color::Auto,
                false,
                false,
            ),
            ("--color=always in a pipe", PIPE, Color::Always, true, false),
            ("--color=never", TERMINAL, Color::Never, false, true),
        ];
        for (what, around, color, colored, bars) in cases {
            let mode = OutputMode::decide(Format::Text, color, false, &around);
            assert_eq!((mode.color_stdout, mode.bars), (colored, bars), "{what}");
        }
        let json = OutputMode::decide(Format::Json, Color::Always, false, &TERMINAL);
        assert_eq!((json.color_stdout, json.bars), (false, false));
    }

    #[test]
    fn what_is_quoted_keeps_its_bytes_where_no_terminal_shows_it() {
        let tee = Surroundings { stdout: Stream::Pipe, ..TERMINAL };
        let file = Surroundings { stdout: Stream::File, ..TERMINAL };
        for (what, around, clean) in
            [("terminal", TERMINAL, true), ("tee", tee, true), ("file", file, false), ("pipe", PIPE, false)]
        {
            assert_eq!(OutputMode::decide(Format::Text, Color::Auto, false, &around).sanitize_stdout, clean, "{what}");
        }
    }
}
