//! The stable codes that a pusher, a log and a script see.
//!
//! Knows their numbers and one-line meanings; what leads to each is the callers' matter.
//! `docs/codes.md` lists cause and cure of each, and a test holds the two together.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $title:literal;)*) => {
        /// A stable code of a refusal, `RW101` to `RW599`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name = $number,)* }

        impl Code {
            /// Every code there is, in ascending order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// What the code means, in the words of the report.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// No listed source says who is pushing.
    NoIdentity = 101, "no identity";
    /// A source named somebody the policy does not know, or the name is malformed.
    UnknownUser = 102, "unknown or malformed identity";
    /// The user is declared with `active = false`.
    InactiveUser = 103, "inactive user";
    /// Two sources name different people or repositories.
    SourcesDisagree = 104, "identity sources disagree";
    /// The repository is in no project, or outside the root.
    NoProject = 105, "repository in no project";
    /// No permit matches.
    NoPermit = 201, "no permit";
    /// A forbid matches.
    Forbidden = 202, "forbidden";
    /// Some changed path is forbidden or covered by no permit.
    PathNotCovered = 203, "path not covered";
    /// More refs than `[global] max-refs-per-push`.
    TooManyRefs = 204, "too many refs";
    /// A lock matches.
    Locked = 205, "locked";
    /// The policy that was pushed is not valid.
    PolicyInvalid = 206, "the pushed policy is not valid";
    /// After the pushed policy nobody who administers could push another one.
    PolicyLockout = 207, "the pushed policy locks administrators out";
    /// The pushed policy changes what is changed on the server alone.
    PolicyByHand = 208, "a change for the server alone";
    /// The policy's branch can't be deleted, nor pushed by those who are only warned.
    PolicyBranch = 209, "the branch of the policy";
    /// A line of the push is malformed.
    Malformed = 301, "malformed push";
    /// The ref name is not acceptable.
    BadRefName = 302, "bad ref name";
    /// An object that the push names is not there.
    MissingObject = 303, "missing object";
    /// The ref is symbolic on the server.
    SymbolicRef = 304, "symbolic ref";
    /// The ref has moved since the client looked.
    StaleOldId = 305, "moved meanwhile";
    /// What pre-receive said has ended or was overtaken.
    PushAgain = 306, "push again";
    /// One ref twice in a push.
    Duplicate = 307, "duplicate ref";
    /// A limit that the admin can raise.
    Limit = 308, "limit reached";
    /// proc-receive, a namespace, or a hidden ref.
    ProcReceive = 309, "ref is not moved by git itself";
    /// A commit message is not as a check wants it.
    CheckMessage = 401, "commit message";
    /// A commit's committer is not who a check wants it to be.
    CheckCommitter = 402, "committer";
    /// A commit's author is not who a check wants it to be.
    CheckAuthor = 403, "author";
    /// A commit or tag is not signed, or not by its maker.
    CheckSignature = 404, "signature";
    /// A tag that is no tag object.
    CheckAnnotated = 405, "lightweight tag";
    /// A merge where there may be none, or none where there must be one.
    CheckMerges = 406, "merges";
    /// A file is too large.
    CheckFileSize = 407, "file too large";
    /// A path that may not change.
    CheckPath = 408, "path";
    /// A path is too long.
    CheckPathLength = 409, "path too long";
    /// Two paths are one where case does not count.
    CheckCase = 410, "paths differ only in case";
    /// A name that some systems can't have.
    CheckReserved = 411, "reserved name";
    /// A symbolic link leads out of the tree.
    CheckSymlink = 412, "symbolic link";
    /// A submodule that may not be there.
    CheckSubmodule = 413, "submodule";
    /// Added text looks like what must not be pushed.
    CheckContent = 414, "content";
    /// The name of a ref does not follow the convention.
    CheckRefName = 415, "ref name against the convention";
    /// The name of a ref differs only in case from another one.
    CheckRefCase = 416, "ref name differs only in case";
    /// No issue is named, or one that is not as a check wants it.
    CheckIssue = 417, "issue";
    /// The push was refused, and asked for access: a request waits.
    RequestFiled = 451, "request filed";
    /// The same was asked before, and still waits.
    RequestWaiting = 452, "waiting for approval";
    /// What was asked for was denied.
    RequestDenied = 453, "denied";
    /// The grant has ended.
    GrantEnded = 454, "grant ended";
    /// Every use of the grant is spent or put aside.
    GrantUsedUp = 455, "grant used up";
    /// The grant was taken back.
    GrantRevoked = 456, "grant revoked";
    /// What was asked for is approved; this push asked, so it does not land.
    Approved = 457, "approved: push again";
    /// No policy was ever applied.
    NoPolicy = 501, "no applied policy";
    /// A file, folder or account is not to be trusted.
    NotTrusted = 502, "file or account not trusted";
    /// Two projects claim the repository.
    AmbiguousProject = 503, "ambiguous project";
    /// The state folder cannot be read or written.
    Store = 504, "store unavailable";
    /// The clock is behind the trail.
    Clock = 505, "clock is wrong";
    /// The audit trail cannot be written.
    Audit = 506, "audit trail unavailable";
    /// The work took longer than its budget.
    Timeout = 507, "timeout";
    /// A membership could not be looked up.
    Lookup = 508, "membership look-up failed";
    /// A defect of refwarden itself.
    Internal = 509, "internal error";
    /// `update` found no word of pre-receive.
    NoSlip = 510, "pre-receive did not run";
    /// A hook that was there before ours refused, or can't be run.
    ForeignHook = 511, "refused by the repository's own hook";
}

impl Code {
    /// The number after `RW`.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RW{}", self.number())
    }
}
