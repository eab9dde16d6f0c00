//! A row of comma-separated values (RFC 4180) that a spreadsheet takes as text.

/// One row, with its end of line.
#[must_use]
pub fn row<S: AsRef<str>>(cells: impl IntoIterator<Item = S>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

/// An apostrophe goes before what would begin a formula (OWASP, "CSV Injection"); blanks before it
/// do not help an attacker.
fn cell(text: &str) -> String {
    let is_formula =
        text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r']);
    let mark = if is_formula { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{mark}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_breaks_its_row() {
        let cells = ["=1+1", "@x", "a \"b\", c", "+1", "-1", " =1", "\tx", "\r=1", "plain", " "];
        assert_eq!(
            row(cells),
            "'=1+1,'@x,\"a \"\"b\"\", c\",'+1,'-1,\"' =1\",'\tx,\"'\r=1\",plain,\" \"\r\n"
        );
    }
}
