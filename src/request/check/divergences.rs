//! Where the builder and the program that makes the image read a Dockerfile differently: findings out of
//! [`Dockerfile::divergences`]. None is an error by itself; what follows from one, such as a missing label, is.

use crate::checkout::dockerfile::{Divergence, DivergenceKind, Dockerfile};
use crate::event::Finding;

/// One finding a divergence.
pub(super) fn check(dockerfile: &Dockerfile, file: &str) -> Vec<Finding> {
    dockerfile.divergences.iter().map(|Divergence { line, kind }| finding(kind).at(file, *line)).collect()
}

fn finding(kind: &DivergenceKind) -> Finding {
    match kind {
        DivergenceKind::ByteOrderMark => {
            let message = "the file begins with a byte order mark, which hides the first instruction from the builder";
            Finding::warning("byte-order-mark", message).hint("save the file as UTF-8 without one")
        }
        DivergenceKind::OnlyForService { keyword, within } => {
            let message = format!(
                "the builder reads a {keyword} instruction here, and the image is made as if this belonged to line {within}"
            );
            let hint = "the builder knows no here-documents, and an empty line ends an instruction for it";
            Finding::warning("read-differently", message).hint(hint)
        }
        DivergenceKind::Continued { keyword, within } => {
            let message = format!(
                "for the builder the {keyword} of line {within} has ended before this line, but the image is made with it"
            );
            Finding::warning("read-differently", message).hint("remove the empty lines within the instruction")
        }
        DivergenceKind::OnlyForEngine { keyword } => {
            let message = format!("the builder does not see this {keyword}, but the image is made with it");
            let hint = "an instruction must not end in a continuation character, and needs a blank behind its name";
            Finding::warning("read-differently", message).hint(hint)
        }
        DivergenceKind::Expansion { form } => {
            let message = format!(
                "the builder does not know the form {form}: it takes the variable's value, and the rest as it is"
            );
            let hint = "only $NAME and ${NAME} are known; give a default with ARG or ENV before";
            Finding::warning("unknown-expansion", message).hint(hint)
        }
        DivergenceKind::Refused { reason } => {
            Finding::warning("dockerfile-syntax", format!("the image can probably not be made: {reason}"))
        }
    }
}
