//! What lies in the tables, said for people: every kind of item with its keys and its place in the indexes.
//!
//! `docs/data-model.md` is written from this. Nothing of the product reads it: the keys are made in [`crate::keys`] and
//! in the files of [`crate::aggregates`]. So a test plays a week, and fails on an item that is laid out otherwise than
//! is said here, on a thing of which nothing is said, and on what is said and never found.

/// A thing, or something that is kept beside things: all of its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name. A thing has that of the type which implements [`crate::Aggregate`].
    pub name: &'static str,
    /// What it is, as a sentence.
    pub about: &'static str,
    /// Its items, its own one first.
    pub items: &'static [Item],
}

/// Items that are keyed alike. In a key, a name in angle brackets stands for whatever the thing has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// What it holds, as a sentence.
    pub holds: &'static str,
    /// Its partition and sort key.
    pub key: (&'static str, &'static str),
    /// Its partition and sort key in the index `list`, where it is there.
    pub list: Option<(&'static str, &'static str)>,
    /// Its partition and sort key in the index `parent`, where it is there.
    pub parent: Option<(&'static str, &'static str)>,
}

impl Item {
    const fn new(holds: &'static str, partition: &'static str, sort: &'static str) -> Self {
        Self { holds, key: (partition, sort), list: None, parent: None }
    }

    const fn listed(self, partition: &'static str, sort: &'static str) -> Self {
        Self { list: Some((partition, sort)), ..self }
    }

    const fn under(self, partition: &'static str, sort: &'static str) -> Self {
        Self { parent: Some((partition, sort)), ..self }
    }
}

const fn kind(name: &'static str, about: &'static str, items: &'static [Item]) -> Kind {
    Kind { name, about, items }
}

/// The things of the table `governance`: each has a version, and a history of events.
pub const THINGS: &[Kind] = &[
    kind(
        "Account",
        "An AWS account in governance, retired ones included.",
        &[Item::new("The account.", "ACCOUNT#<account>", "META").listed("ALL#ACCOUNT", "<account>")],
    ),
    kind(
        "Person",
        "Somebody whose token was seen: name, e-mail, roles, channels, and the topic that is their own.",
        &[Item::new("The person.", "PERSON#<sub>", "META").listed("ALL#PERSON", "<sub>")],
    ),
    kind(
        "Settings",
        "What the organisation sets: one document.",
        &[Item::new("The settings.", "SETTINGS#organisation", "META")],
    ),
    kind(
        "Model",
        "A model on one platform: what discovery saw of it, and what a Lead decided.",
        &[
            Item::new("The model.", "MODEL#<model>", "META").listed("ALL#MODEL", "MODEL#<model>#0"),
            Item::new(
                "How many scopes use it, by state, account and workspace. It follows its model in the list, so that \
                 the AI Models table is one query.",
                "MODEL#<model>",
                "COUNTS",
            )
            .listed("ALL#MODEL", "MODEL#<model>#1"),
        ],
    ),
    kind(
        "ApplicationProfile",
        "An inference profile that an account made itself.",
        &[Item::new("The profile.", "PROFILE#<arn>", "META")
            .listed("ALL#PROFILE", "<arn>")
            .under("PROFILES-OF#<account>#<region>", "<arn>")],
    ),
    kind(
        "Announced",
        "Which models the Leads were told of.",
        &[Item::new("The models, all of them.", "ANNOUNCED#models", "META")],
    ),
    kind(
        "Space",
        "A group of workloads with its owners.",
        &[
            Item::new("The Space.", "SPACE#<space>", "META").listed("ALL#SPACE", "<space>"),
            Item::new(
                "The Space again, one row for each owner, so that an owner's Spaces are one query.",
                "SPACE#<space>",
                "ROW#OWNER#<sub>",
            )
            .under("SPACES-OF#<sub>", "<space>"),
        ],
    ),
    kind(
        "Workload",
        "One use of AI, for which a Space answers.",
        &[Item::new("The workload.", "WORKLOAD#<workload>", "META")
            .listed("ALL#WORKLOAD", "<workload>")
            .under("WORKLOADS-OF#<space>", "<workload>")],
    ),
    kind(
        "Estimates",
        "What a workload is expected to cost, on both platforms.",
        &[
            Item::new("Every version, each with the beginning of its reason.", "ESTIMATES#<workload>", "META"),
            Item::new("One version, with its whole reason.", "ESTIMATES#<workload>", "ROW#<platform>#<version>")
                .under("ESTIMATES-OF#<workload>", "<estimate>"),
        ],
    ),
    kind(
        "Request",
        "What an owner asks for.",
        &[
            Item::new("The request.", "REQUEST#<request>", "META")
                .listed("STATE#REQUEST#<state>#<shard>", "<request>")
                .under("REQUESTS-OF#<workload>", "<request>"),
            Item::new(
                "One place that an open request asks for, listed with the scopes of the model.",
                "REQUEST#<request>",
                "ROW#SCOPE#<nnnn>",
            )
            .under("SCOPES-OF#<model>", "<request>-<n>"),
        ],
    ),
    kind(
        "Approval",
        "What a Lead decided for one workload, model and tier.",
        &[Item::new("The approval.", "APPROVAL#<approval>", "META")
            .listed("STATE#APPROVAL#<state>#<shard>", "<approval>")
            .under("APPROVALS-OF#<workload>", "<approval>")],
    ),
    kind(
        "Chain",
        "A scope of an approval with its tasks.",
        &[
            Item::new("The chain, without its tasks.", "SCOPE#<scope>", "META")
                .listed("STATE#SCOPE#<state>#<shard>", "<scope>")
                .under("SCOPES-OF#<model>", "<scope>"),
            Item::new(
                "A task with the newest of its history; its sort keys put high priority first, then the oldest.",
                "SCOPE#<scope>",
                "ROW#TASK#<number>",
            )
            .listed("STATE#TASK#<state>#<shard>", "<priority>#<issuedAt>#<task>")
            .under("TASKS-OF#<approval>", "<priority>#<issuedAt>#<task>"),
            Item::new(
                "An older page of a task's history; its key says how many steps came before it.",
                "SCOPE#<scope>",
                "ROW#TASK#<number>#PAST#<before>",
            ),
        ],
    ),
    kind(
        "DriftFinding",
        "What was found about a role that is not, or cannot be shown to be, what was approved: one for each role.",
        &[Item::new("The finding.", "DRIFT#<finding>", "META").listed("STATE#DRIFT#<state>#<shard>", "<finding>")],
    ),
    kind(
        "Anchor",
        "What a workload's use is known by on the bill, a role or a workspace, with every claim to it.",
        &[
            Item::new("The anchor with its claims, without why they were released.", "ANCHOR#<anchor>", "META")
                .listed("ALL#ANCHOR", "<anchor>")
                .under("ANCHORS-OF#<workload>", "<anchor>"),
            Item::new("A claim, with why it was released.", "ANCHOR#<anchor>", "ROW#CLAIM#<claim>")
                .listed("ALL#CLAIM", "<claim>")
                .under("CLAIMS-OF#<workload>", "<claim>"),
        ],
    ),
    kind(
        "Run",
        "One attempt to read a delivery of the bill; listed by when it was submitted.",
        &[Item::new("The run.", "RUN#<run>", "META")
            .listed("STATE#RUN#<state>#<shard>", "<submittedAt>#<run>")
            .under("RUNS-OF#<month>", "<submittedAt>#<run>")],
    ),
    kind(
        "Gap",
        "Spend of a month that nobody answers for.",
        &[Item::new("The gap.", "GAP#<gap>", "META")
            .listed("STATE#GAP#<state>#<shard>", "<gap>")
            .under("GAPS-OF#<month>", "<gap>")],
    ),
    kind(
        "GapNews",
        "The new gaps of a month, of which the Leads are still to be told.",
        &[Item::new("The news.", "GAP-NEWS#<month>", "META")],
    ),
    kind(
        "Proposal",
        "A claim or request that is put to the owners of a workload.",
        &[Item::new("The proposal.", "PROPOSAL#<proposal>", "META")
            .listed("STATE#PROPOSAL#<state>#<shard>", "<proposal>")
            .under("PROPOSALS-TO#<workload>", "<proposal>")],
    ),
    kind(
        "SpendCard",
        "What a workload spent in a period, to be signed. Its id begins with the period, so that lists are in the \
         order of periods.",
        &[
            Item::new("The card.", "CARD#<card>", "META")
                .listed("STATE#CARD#<state>#<shard>", "<card>")
                .under("CARDS-OF#<workload>", "<card>"),
            Item::new("What a settled dispute moved to another workload.", "CARD#<card>", "ROW#TRANSFER")
                .listed("ALL#TRANSFER", "<card>"),
        ],
    ),
    kind(
        "Reminder",
        "That somebody was reminded of a card: the key lets it happen once.",
        &[Item::new("The reminder.", "REMINDER#<card>.<entries>.<number>", "META")],
    ),
    kind(
        "Review",
        "That the portfolio review of a week was held.",
        &[Item::new("The review.", "REVIEW#<week>", "META")],
    ),
    kind("MonthClose", "That a month was closed.", &[Item::new("The close.", "MONTH#<month>", "META")]),
    kind(
        "Export",
        "A file that somebody asked for: its parameters, its manifest, and where it lies.",
        &[Item::new("The export.", "EXPORT#<export>", "META")],
    ),
    kind(
        "Notice",
        "Who was told of an event, and when. It is a note: no event tells its changes.",
        &[Item::new("The notice.", "NOTICE#<event>", "META")],
    ),
    kind(
        "Seal",
        "The seal of a day: over the last events of that day, and over the seal of the day before.",
        &[Item::new("The seal.", "SEAL#<day>", "META")],
    ),
    kind(
        "Verification",
        "How far the verification of a day has come, and what it found.",
        &[Item::new("The verification.", "VERIFICATION#<verification>", "META")],
    ),
];

/// What lies in the table `governance` beside the things.
pub const BESIDE: &[Kind] = &[
    kind(
        "Event",
        "What an accepted change leaves behind: the audit record, and the outbox. The stream relays what is inserted.",
        &[Item::new("One event, in the partition of its thing.", "<thing>", "EVENT#<sequence>")
            .listed("AUDIT#<day>#<shard>", "<at>#<thing>#<sequence>")],
    ),
    kind(
        "Counters of a Space",
        "What a Space's own scopes add up to, for the AI Models table as its owners see it.",
        &[
            Item::new("The counters of one model.", "COUNTS-OF#<space>", "MODEL#<model>"),
            Item::new("That every scope of the Space was counted, from the first on.", "COUNTS-OF#<space>", "COUNTED"),
        ],
    ),
    kind(
        "Pointer",
        "A unique name that leads to one thing; it moves in the transaction that changes where it leads.",
        &[
            Item::new("The last approval under a key.", "POINTER#APPROVAL#<key>", "META"),
            Item::new("The last break-glass decision for a workload.", "POINTER#BREAK-GLASS#<workload>", "META"),
            Item::new("The anchor that a claim is on.", "POINTER#CLAIM#<claim>", "META"),
            Item::new("The run that submitted a query.", "POINTER#QUERY#<query>", "META"),
        ],
    ),
    kind(
        "Handled event",
        "That a consumer handled an event, so that a repeat has no effect. It expires after 45 days.",
        &[Item::new("The record.", "HANDLED#<consumer>#<event>", "META")],
    ),
    kind(
        "Idempotency record",
        "The answer to a write, for whoever repeats it under the same `Idempotency-Key`. It expires after 45 days.",
        &[Item::new("The answer, with the digest of the body.", "IDEM#<digest>", "META")],
    ),
];

/// What lies in the table `spend`.
pub const SPEND: &[Kind] = &[
    kind(
        "Head",
        "What is shown of a month: which run read it, from which delivery, and the control totals. Readers follow it.",
        &[Item::new("The head.", "PERIOD#<month>", "HEAD")],
    ),
    kind(
        "Index",
        "Which days of which anchors one reading of a month holds. What no head names any more expires after a week.",
        &[Item::new("A part of the index, by the digest of the whole.", "PERIOD#<month>", "INDEX#<digest>#<part>")],
    ),
    kind(
        "Facts",
        "The facts of one anchor and day, named by their content: they never change.",
        &[Item::new("A part of the facts.", "SPEND#<month>#<anchor>", "DAY#<day>#<digest>#<part>")],
    ),
];
