//! Accounts by a command of the server's own: `ejabberdctl register {user} {domain} {password}`.
//!
//! Invariant: there is no shell. The template is split into words first, and what is put into a word stays in it.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::plan::Plan;

/// Words of a command, with places for a user's name and the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<String>);

/// What may stand in braces.
const PLACES: &[&str] = &["user", "domain", "password", "jid"];

impl Template {
    /// Words are separated by spaces; one that has spaces stands in apostrophes or quotes.
    ///
    /// # Errors
    /// A quote has no end, there is no word at all, or something else stands in braces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for letter in text.chars() {
            match (quote, letter) {
                (Some(open), letter) if letter == open => quote = None,
                (None, '\'' | '"') => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (None, letter) if letter.is_whitespace() => words.extend(word.take()),
                (_, letter) => word.get_or_insert_default().push(letter),
            }
        }
        if let Some(open) = quote {
            return Err(format!("the {open} has no end in {text:?}"));
        }
        words.extend(word);
        if words.is_empty() {
            return Err(
                "the command is empty; write one as in \"ejabberdctl register {user} {domain} {password}\"".into(),
            );
        }
        words.iter().try_for_each(|word| check(word))?;
        Ok(Self(words))
    }

    /// The command for a user, word by word.
    pub fn words(&self, user: &str, domain: &str, password: &str) -> Vec<String> {
        let jid = format!("{user}@{domain}");
        let values = [user, domain, password, &jid];
        let fill = |word: &String| fill(word, &values);
        self.0.iter().map(fill).collect()
    }

    /// Makes the account of the user at a place. One that exists is good.
    ///
    /// # Errors
    /// The command cannot be run, or says that something is wrong.
    pub fn run(&self, plan: &Plan, place: u32) -> Result<()> {
        let words = self.words(&plan.users.name(place), &plan.target.domain, &plan.users.password);
        let Some((program, arguments)) = words.split_first() else {
            bail!("the command is empty");
        };
        let output = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {program:?}; is it installed, and in PATH?"))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if !output.status.success() && !says_exists(&said) {
            bail!("{program:?} ended with {}: {}", output.status, said.trim());
        }
        Ok(())
    }
}

/// Puts values in their places, once: a value that looks like a place stays as it is.
fn fill(word: &str, values: &[&str]) -> String {
    let (mut filled, mut rest) = (String::new(), word);
    while let Some((before, behind)) = rest.split_once('{') {
        let known = PLACES.iter().zip(values).find_map(|(place, value)| {
            let rest = behind.strip_prefix(place)?.strip_prefix('}')?;
            Some((value, rest))
        });
        filled.push_str(before);
        match known {
            Some((value, behind)) => {
                filled.push_str(value);
                rest = behind;
            }
            None => {
                filled.push('{');
                rest = behind;
            }
        }
    }
    filled + rest
}

fn check(word: &str) -> Result<(), String> {
    for (_, behind) in word.match_indices('{').map(|(at, _)| word.split_at(at + 1)) {
        let name = behind.split('}').next().unwrap_or_default();
        if !PLACES.contains(&name) {
            return Err(format!("there is no {{{name}}}; there are {{{}}}", PLACES.join("}, {")));
        }
    }
    Ok(())
}

/// What ejabberdctl and others say, in their words, of an account that is there already.
fn says_exists(said: &str) -> bool {
    let said = said.to_lowercase();
    ["already", "exists", "conflict"].iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_before_anything_is_put_in() {
        let template = Template::parse("ctl  register {user} {domain} '{password} x' \"{jid}\" ''").unwrap();
        let words = template.words("a b", "localhost", "p'; rm -rf {user}");
        let expected = [
            "ctl",
            "register",
            "a b",
            "localhost",
            "p'; rm -rf {user} x",
            "a b@localhost",
            "",
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn what_is_no_command_is_answered_with_what_would_be() {
        assert!(Template::parse("  ").unwrap_err().contains("ejabberdctl register"));
        assert!(Template::parse("ctl 'x").unwrap_err().contains("has no end"));
        assert!(
            Template::parse("ctl {name}")
                .unwrap_err()
                .contains("there is no {name}; there are {user}, {domain}")
        );
    }

    #[test]
    fn an_account_that_exists_is_good_and_a_failure_is_shown() {
        let plan = |command: &str| {
            let preset = crate::plan::presets::find("connect").unwrap();
            let plan = Plan::parse("connect", preset.text, &[]).unwrap();
            Template::parse(command).unwrap().run(&plan, 3)
        };
        plan("true {user}").unwrap();
        let said = format!("{:#}", plan("sh -c 'echo no such domain; exit 3'").unwrap_err());
        assert!(
            said.contains("exit status: 3") && said.contains("no such domain"),
            "{said}"
        );
        plan("sh -c 'echo User already registered; exit 1'").unwrap();
        let said = format!("{:#}", plan("surely-no-such-program").unwrap_err());
        assert!(said.contains("is it installed"), "{said}");
    }
}
