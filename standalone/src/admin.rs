//! Commands for operators talk to a running server over REST, with a token of the role admin.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Args;
use platform::token::NewToken;
use proto::id::TenantId;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::TidingsConfig;
use crate::data_folder;

/// How long the server may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Which server, and who asks.
#[derive(Debug, Args)]
pub struct ServerArguments {
    /// The server [default: where the server on this data folder listens].
    #[arg(long)]
    url: Option<String>,
    /// A token with the role admin [default: signed with the secret of the data folder].
    #[arg(long, env = "TIDINGS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Whose operator asks: the id of a tenant of the configuration [default: the one of the section `auth`].
    #[arg(long)]
    tenant: Option<TenantId>,
}

/// A running server, asked as an admin.
pub struct Server {
    url: String,
    token: String,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

impl Server {
    /// Takes what the arguments leave open from the configuration.
    pub fn new(arguments: ServerArguments, config: &TidingsConfig) -> Result<Self> {
        Ok(Self {
            url: arguments.url.unwrap_or_else(|| {
                let address = data_folder::address(&config.data);
                let address = address.map_or_else(|| config.listen.clone(), |it| it.to_string());
                format!("http://{address}")
            }),
            token: match arguments.token {
                Some(token) => token,
                None => admin_token(config, arguments.tenant)?,
            },
            client: reqwest::Client::builder().timeout(TIMEOUT).build()?,
        })
    }

    /// Asks for something below `/api/v1/admin/`.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T> {
        let mut address = self.address(path)?;
        address.query_pairs_mut().extend_pairs(query);
        let answer = self.ask(Method::GET, address).await?;
        answer.json().await.context("an answer that cannot be read")
    }

    /// Asks for something to be done there.
    pub async fn tell(&self, method: Method, path: &[&str]) -> Result<()> {
        self.ask(method, self.address(path)?).await.map(drop)
    }

    fn address(&self, path: &[&str]) -> Result<Url> {
        let mut address = Url::parse(&format!("{}/api/v1/admin", self.url)).context("--url")?;
        let Ok(mut segments) = address.path_segments_mut() else { bail!("--url: not a server") };
        segments.extend(path);
        drop(segments);
        Ok(address)
    }

    async fn ask(&self, method: Method, address: Url) -> Result<reqwest::Response> {
        let asked = self.client.request(method, address).bearer_auth(&self.token).send().await;
        let answer = asked.with_context(|| format!("no server answers at {} (--url)", self.url))?;
        if !answer.status().is_success() {
            let refusal: Refusal = answer.json().await.context("this is no Tidings server")?;
            bail!("{} ({})", refusal.message, refusal.code);
        }
        Ok(answer)
    }
}

fn admin_token(config: &TidingsConfig, tenant: Option<TenantId>) -> Result<String> {
    let signer = config.signer(tenant)?;
    let token = NewToken {
        sub: "tidings-admin".to_owned(),
        roles: vec!["admin".to_owned()],
        ttl: Duration::from_mins(1),
        ..NewToken::default()
    };
    Ok(signer.sign(&token, SystemTime::now()).context("signing")?.0)
}
