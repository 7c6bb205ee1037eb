//! OpenShift's OAuth server, as far as challenges go.

use axum::body::Body;
use axum::http::{HeaderMap, Response, header};
use serde_json::json;

use super::Shared;
use super::access::basic;
use super::answers::json_answer;

/// How tokens are given out.
#[derive(Debug, Clone)]
pub(crate) struct OAuth {
    /// Who gets one.
    pub user: String,
    /// With what.
    pub password: String,
    /// The token; it lets in from then on.
    pub token: String,
    /// Where the metadata says that tokens are given out; `None` when there is no metadata.
    pub endpoint: Option<String>,
    /// An error instead of a token, in the fragment.
    pub error: Option<(String, String)>,
}

/// Answers questions of OAuth; `None` for all others, and where there is no OAuth server.
pub(super) fn answer(shared: &Shared, uri: &hyper::Uri, headers: &HeaderMap) -> Option<Response<Body>> {
    let oauth = shared.oauth()?;
    match uri.path() {
        "/.well-known/oauth-authorization-server" => {
            let endpoint = oauth.endpoint?;
            Some(json_answer(200, &json!({"issuer": endpoint, "authorization_endpoint": endpoint})))
        }
        "/oauth/authorize" => Some(authorize(shared, &oauth, uri.query().unwrap_or_default(), headers)),
        _ => None,
    }
}

fn authorize(shared: &Shared, oauth: &OAuth, query: &str, headers: &HeaderMap) -> Response<Body> {
    let is = |name: &str, value: &str| {
        url::form_urlencoded::parse(query.as_bytes()).any(|pair| pair == (name.into(), value.into()))
    };
    if !is("client_id", "openshift-challenging-client") || !is("response_type", "token") {
        let description = "The client is not authorized to request a token using this method.";
        return json_answer(400, &json!({"error": "unauthorized_client", "error_description": description}));
    }
    let given = basic(headers);
    if given.is_none() && headers.get("x-csrf-token").is_none_or(reqwest::header::HeaderValue::is_empty) {
        let why = "A non-empty X-CSRF-Token header is required to receive basic-auth challenges";
        return Response::builder()
            .status(401)
            .header(header::WARNING, format!("199 Origin \"{why}\""))
            .body(Body::empty())
            .expect("an answer");
    }
    if given != Some((oauth.user.clone(), oauth.password.clone())) {
        let challenges = Response::builder().status(401).header(header::WWW_AUTHENTICATE, "Basic realm=\"openshift\"");
        return challenges.header(header::WWW_AUTHENTICATE, "Negotiate").body(Body::empty()).expect("an answer");
    }
    let fragment = match &oauth.error {
        Some((error, description)) => format!("error={error}&error_description={description}"),
        None => {
            shared.change(|state| state.tokens.insert(oauth.token.clone(), oauth.user.clone()));
            format!("access_token={}&expires_in=86400&scope=user%3Afull&token_type=Bearer", oauth.token)
        }
    };
    let location = format!("{}/oauth/token/implicit#{fragment}", shared.url());
    Response::builder().status(302).header(header::LOCATION, location).body(Body::empty()).expect("an answer")
}
