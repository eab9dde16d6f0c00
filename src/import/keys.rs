//! Keys of others.

/// The user whom the name of a key's file means: `alice.pub`, `alice@home.pub`.
#[must_use]
pub fn user_of_file(name: &str) -> Option<String> {
    let bare = name.strip_suffix(".pub")?;
    // What follows an `@` is a place, unless there is a dot in it: then it is an address.
    let place = bare.match_indices('@').find_map(|(at, _)| {
        let (user, place) = bare.split_at_checked(at)?;
        (place.len() > 1 && !place.contains('.')).then_some(user)
    });
    let user = place.unwrap_or(bare);
    (!user.is_empty()).then(|| user.to_owned())
}
