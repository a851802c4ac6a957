//! Taking the statements apart that pg_dump writes about a database itself: enough to give them another database's name.

/// Splits SQL into its tokens: words, quoted names, texts, runs of white space, single signs. Joined, they are the SQL.
pub(super) fn tokens(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let length = match first {
            '\'' => quoted_length(rest, '\'', false),
            '"' => quoted_length(rest, '"', false),
            'E' | 'e' if rest[1..].starts_with('\'') => 1 + quoted_length(&rest[1..], '\'', true),
            _ if is_word(first) => length_while(rest, is_word),
            _ if first.is_whitespace() => length_while(rest, char::is_whitespace),
            _ => first.len_utf8(),
        };
        let (token, left) = rest.split_at(length);
        rest = left;
        Some(token)
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

fn length_while(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|character: char| !holds(character)).unwrap_or(text.len())
}

/// Returns the length of a quoted token with both its quotes; a doubled quote belongs to it.
fn quoted_length(text: &str, quote: char, backslashes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if backslashes && character == '\\' {
            characters.next();
        } else if character == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return at + character.len_utf8();
            }
        }
    }
    text.len()
}

/// Splits SQL into its statements, without their semicolons.
pub(super) fn statements(sql: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    for token in tokens(sql) {
        match (token, statements.last_mut()) {
            (";", _) => statements.push(String::new()),
            (token, Some(statement)) => statement.push_str(token),
            (_, None) => {}
        }
    }
    statements.iter().map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

/// Returns a statement about a database with another database's (quoted) name in place of its own; `None` if it names none.
pub(super) fn with_database(statement: &str, name: &str) -> Option<String> {
    let (mut renamed, mut before, mut follows, mut found) = (String::new(), String::new(), false, false);
    for token in tokens(statement) {
        let blank = token.starts_with(char::is_whitespace);
        if follows && !found && !blank {
            renamed.push_str(name);
            found = true;
            continue;
        }
        renamed.push_str(token);
        if !blank {
            // A role may be called "database", too: only these words announce a database's name.
            follows = token.eq_ignore_ascii_case("DATABASE")
                && ["ALTER", "CREATE", "IN", "ON"].iter().any(|word| before.eq_ignore_ascii_case(word));
            token.clone_into(&mut before);
        }
    }
    found.then_some(renamed)
}

/// Returns what a quoted text or name means.
pub(super) fn unquote(token: &str) -> String {
    for quote in ['\'', '"'] {
        if let Some(inner) = token.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    token.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_gets_another_databases_name_whatever_else_it_holds() {
        let renamed = |statement: &str| with_database(statement, "\"new\"").unwrap();
        assert_eq!(renamed("ALTER DATABASE b1 CONNECTION LIMIT = 33"), "ALTER DATABASE \"new\" CONNECTION LIMIT = 33");
        assert_eq!(
            renamed("ALTER ROLE database IN DATABASE \"a \"\"b; c\" SET x TO 'ON DATABASE b1'"),
            "ALTER ROLE database IN DATABASE \"new\" SET x TO 'ON DATABASE b1'"
        );
        assert_eq!(
            renamed("GRANT CONNECT ON DATABASE b1 TO \"we ird\""),
            "GRANT CONNECT ON DATABASE \"new\" TO \"we ird\""
        );
        assert_eq!(with_database("SELECT 1", "x"), None);
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes() {
        let sql = "ALTER DATABASE a SET x TO 'it''s; fine';\nALTER DATABASE \"a;\" SET y TO E'\\';';\n\n";
        assert_eq!(
            statements(sql),
            ["ALTER DATABASE a SET x TO 'it''s; fine'", "ALTER DATABASE \"a;\" SET y TO E'\\';'"]
        );
    }

    #[test]
    fn quotes_come_off() {
        assert_eq!(unquote("'it''s'"), "it's");
        assert_eq!(unquote("\"a\"\"b\""), "a\"b");
        assert_eq!(unquote("plain"), "plain");
    }
}
