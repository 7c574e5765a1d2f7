//! Which decision is asked about: one by its id, or the latest, of the stack or of one service.

use plimsoll_console::{AdminClient, DecisionQuery};

/// How many events are looked through for a decision: what happened since then is longer ago than anybody's question.
const PAGES: usize = 5;
const PAGE: usize = 200;

/// What stands after `plimsoll why`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The event with this id, whatever its kind.
    Id(u64),
    /// The latest decision of the service.
    Service(String),
    /// The latest decision of all.
    Latest,
}

// === impl Asked ===

impl From<Option<String>> for Asked {
    /// A number is an id, any other word the name of a service.
    fn from(word: Option<String>) -> Self {
        match word {
            None => Self::Latest,
            Some(word) => word.parse().map_or(Self::Service(word), Self::Id),
        }
    }
}

impl Asked {
    /// The id of the decision. A decision is one to change the size or to leave it; crashes and starts are events beside them.
    pub(super) async fn find(self, client: &AdminClient) -> anyhow::Result<u64> {
        let service = match self {
            Self::Id(id) => return Ok(id),
            Self::Service(service) => Some(service),
            Self::Latest => None,
        };
        let mut before = None;
        for _ in 0..PAGES {
            let query = DecisionQuery { service: service.clone(), before, limit: PAGE };
            let page = client.events(&query).await?.decisions;
            if let Some(found) = page.iter().find(|event| matches!(event.kind.as_str(), "scale" | "hold")) {
                return Ok(found.id);
            }
            let Some(oldest) = page.last() else { break };
            before = Some(oldest.id);
        }
        let services = client.status().await?.services;
        match service {
            Some(name) if services.iter().any(|service| service.name == name) => {
                anyhow::bail!(
                    "nothing was decided for `{name}` lately; `plimsoll events --service {name}` has what happened to it"
                )
            }
            Some(name) => {
                let all: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
                anyhow::bail!("no event and no service `{name}`; the services are {}", all.join(", "))
            }
            None => anyhow::bail!("nothing was decided lately; `plimsoll events` has what happened"),
        }
    }
}
