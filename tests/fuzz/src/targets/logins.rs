//! Files of who may log in to the REST API.

use connect_runtime::fuzzing::login_files;

use super::secret::{MARKER, WORD, hides, is_in};
use crate::Target;
use crate::parts::Parts;

pub(super) const TARGET: Target = Target {
    name: "logins",
    about: "`jaas` and two halves of a JAAS file with a secret between them; `passwords` or `tokens` and \
            lines in front of and behind those of a user and of a secret; or `roles`, a file, and the \
            name of a connector; each ended by NUL: refused without the secret, or it is the user's",
    memory: 512,
    run: |data| {
        let mut parts = Parts::new(data);
        let kind = parts.bytes();
        let (Some(first), Some(second)) = (parts.text(), parts.text()) else {
            return;
        };
        if is_in(data) {
            return;
        }
        match kind {
            b"jaas" => {
                if let Err(why) = login_files::jaas(&format!("{first}{WORD}{second}")) {
                    hides(why);
                }
            }
            b"passwords" => {
                let file = format!("{first}\nann={MARKER}\n{second}");
                match login_files::is_password(file.as_bytes(), "ann", MARKER) {
                    Ok(is_theirs) => {
                        assert!(
                            is_theirs || file.matches("ann").count() > 1 || first.ends_with('\\')
                        );
                        let none = login_files::is_password(file.as_bytes(), "ann", "");
                        assert!(none.is_ok_and(|is_theirs| !is_theirs));
                    }
                    Err(error) => hides(error.chain()),
                }
            }
            b"tokens" => {
                let file = format!("{first}\nann={MARKER}\n{second}");
                if let Err(error) = login_files::owner(file.as_bytes(), MARKER) {
                    hides(error.chain());
                }
                // The name was forgotten.
                let file = format!("{first}\n{WORD}\n{second}");
                if let Err(error) = login_files::owner(file.as_bytes(), WORD) {
                    hides(error.chain());
                }
            }
            b"roles" => {
                let Ok(roles) = login_files::roles(first.as_bytes(), "ann", second) else {
                    return;
                };
                // Each role may what those below it may.
                assert!(roles.is_sorted_by(|more, less| more <= less), "{roles:?}");
            }
            _ => {}
        }
    },
};
