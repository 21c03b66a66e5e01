//! Where a password comes from: asked for twice on a terminal, else one line of standard input.
//!
//! Invariant: it is never echoed, and never taken from the command line, where other users could see it.

use std::io::{self, BufRead, IsTerminal};

/// Most bytes read for a password's line.
const LINE_BYTES_MAX: u64 = 4_096;

/// Gets a new password.
///
/// # Errors
/// The two inputs differ, the input has no line or an empty one, or it cannot be read.
pub fn ask(account: &str) -> io::Result<String> {
    if !io::stdin().is_terminal() {
        return from_line(io::stdin().lock());
    }
    let first = rpassword::prompt_password(format!("Password for {account}: "))?;
    let second = rpassword::prompt_password("The same again: ")?;
    if first == second {
        non_empty(first)
    } else {
        Err(io::Error::other("the two passwords differ; nothing was changed"))
    }
}

fn from_line(input: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    io::Read::take(input, LINE_BYTES_MAX).read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    non_empty(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn non_empty(password: String) -> io::Result<String> {
    if password.is_empty() {
        return Err(io::Error::other(
            "the password is empty; type it, or give it as one line on standard input",
        ));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_without_its_end() {
        assert_eq!(from_line(&b" pass word \r\nnext"[..]).unwrap(), " pass word ");
        assert_eq!(from_line(&b"last"[..]).unwrap(), "last");
    }

    #[test]
    fn nothing_is_no_password() {
        assert!(from_line(&b""[..]).is_err());
        assert!(from_line(&b"\n"[..]).is_err());
    }
}
