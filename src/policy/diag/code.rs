//! The stable codes of a policy's problems, RW601 to RW699.

use std::fmt;

/// Whether a problem makes the policy invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// The policy means something, but hardly what was wanted.
    Warning,
}

macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal;)*) => {
        /// A stable code of a problem in a policy file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PolicyCode { $(#[doc = $title] $name = $number,)* }

        impl PolicyCode {
            /// Every code there is, in ascending order.
            pub const ALL: &'static [PolicyCode] = &[$(PolicyCode::$name,)*];

            /// What the code means.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(PolicyCode::$name => $title,)* }
            }
        }
    };
}

codes! {
    Unreadable = 601, "a file can't be read";
    TooLarge = 602, "the policy is too large";
    Syntax = 603, "not TOML";
    SameKeyTwice = 604, "the same key twice";
    Include = 605, "an include that is not possible";
    IncludeNothing = 606, "an include that matches no file";
    UnknownKey = 607, "unknown key";
    UnknownSection = 608, "unknown section";
    WrongType = 609, "wrong type of value";
    MissingKey = 610, "a required key is missing";
    EmptyList = 611, "an empty list";
    UnknownValue = 612, "not one of the possible values";
    Version = 613, "unknown version of the policy";
    OutOfRange = 614, "number out of range";
    BadText = 615, "text that is not possible here";
    BadSpan = 616, "not a length of time";
    BadSize = 617, "not a size";
    BadName = 620, "not a name";
    ReservedName = 621, "a holder word as a user's name";
    NamesAlike = 622, "user names that differ only in case";
    NotDeclared = 623, "not declared";
    BadHolder = 624, "a holder that is not possible here";
    GroupCycle = 625, "groups in a circle";
    ExtendsCycle = 626, "schemes in a circle";
    GroupForm = 627, "a group of no or of two kinds";
    BadCommand = 628, "a command that can't be run";
    LookupMisplaced = 629, "a looked-up membership where it would take a right away";
    AnyoneMisplaced = 630, "`anyone` outside `read`";
    Shared = 631, "two users share what identifies them";
    SharedName = 632, "two users have one name at a source";
    BadKey = 633, "not a usable key";
    BadEmail = 634, "not an e-mail address";
    BadExternalName = 635, "not a name that a source can say";
    BadOwner = 636, "an owner that is not possible";
    BadPattern = 640, "not a pattern";
    UserMisplaced = 641, "`${user}` or `${issue}` outside the patterns that take it";
    NeverMatches = 642, "a pattern that can never match";
    PrefixTwice = 643, "a prefix that is implied";
    CoversNothing = 644, "a permit's pattern that covers nothing";
    OwnRefs = 645, "refs of refwarden's own";
    PathSlash = 646, "a slash at the end of a path pattern";
    RegexMisplaced = 647, "a regular expression over repository names";
    BadSearch = 648, "not an expression to look for";
    ReadScope = 650, "`read` with refs or paths";
    BypassChecks = 651, "`checks` without `bypass`, or the reverse";
    EmptyWindow = 652, "a window that ends before it begins";
    NoOffset = 653, "a date-time without offset";
    UnknownZone = 654, "unknown time zone";
    BadWeekly = 655, "not hours of the week";
    BypassScope = 656, "`bypass` with paths";
    NoRule = 657, "a check that asks for nothing";
    RuleClash = 658, "keys of a check that don't go together";
    CheckNowhere = 659, "a check that governs no ref";
    NoDefaultScheme = 660, "no scheme `default`";
    BaseMissing = 661, "a project without `base` where paths matter";
    BadBase = 662, "not a branch";
    RepositoriesOverlap = 663, "a repository in two projects";
    NowhereApplies = 664, "neither projects nor repositories";
    DuplicateName = 665, "a name given twice";
    OverCap = 666, "a length of time over its cap";
    QuorumNever = 667, "an approval that can never be met";
    BreakGlass = 668, "`break-glass` that can't work";
    BadTicket = 669, "not an expression for tickets";
    BadSource = 670, "not an identity source";
    SourceTwice = 671, "a source listed twice";
    RefuseRef = 672, "`refuse = \"ref\"` where no `update` hook runs";
    BadUrl = 673, "not a URL";
    NotifyTarget = 674, "a notice with no or two ways to be sent";
    PlainHttp = 675, "a URL without TLS that leaves this host";
    StorePairs = 676, "a key of `[store]` without the one it belongs to";
    SecureMode = 677, "ruled out by `secure-mode`";
    JiraPairs = 678, "something of Jira's without what it needs";
    NoSources = 680, "no identity source (warning)";
    PathsOfDeletion = 681, "paths of a deletion (warning)";
    PartlyCovers = 682, "a permit's pattern that covers less than it says (warning)";
    AutoUnlimited = 683, "`auto` without `max-uses` (warning)";
    BreakGlassQuiet = 684, "`break-glass` of which nobody is told (warning)";
    BareUser = 685, "`$user` without braces (warning)";
    QuorumSomewhere = 686, "an approval that can't be met in some projects (warning)";
    NobodyEligible = 687, "an entitlement that nobody may ask for (warning)";
    SecureSource = 688, "a source that `secure-mode` can't vouch for (warning)";
    IssueAnywhere = 689, "an issue's people on refs that need not name an issue (warning)";
    PolicyHome = 691, "a repository that the policy can't come from";
}

impl PolicyCode {
    /// The number after `RW`.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether it makes the policy invalid.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::NoSources
            | Self::PathsOfDeletion
            | Self::PartlyCovers
            | Self::AutoUnlimited
            | Self::BreakGlassQuiet
            | Self::BareUser
            | Self::QuorumSomewhere
            | Self::NobodyEligible
            | Self::SecureSource
            | Self::IssueAnywhere => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Whether it says that something is not there, which a file that does not parse can't tell.
    pub(super) const fn is_about_absence(self) -> bool {
        matches!(
            self,
            Self::MissingKey
                | Self::NotDeclared
                | Self::NoDefaultScheme
                | Self::BaseMissing
                | Self::NowhereApplies
                | Self::NoSources
                | Self::QuorumNever
                | Self::QuorumSomewhere
                | Self::NobodyEligible
                | Self::BreakGlassQuiet
        )
    }
}

impl fmt::Display for PolicyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RW{}", self.number())
    }
}
