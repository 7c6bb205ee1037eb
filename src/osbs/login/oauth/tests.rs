use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

use super::*;
use crate::http::ClientOptions;

const TOKEN: &str = "sha256~rigOsbsOauthTokenAAAAAAAAAAAAAAAAAAAAAAAAAA";
const PASSWORD: &str = "osbs-password";
/// `osbs:osbs-password`
const RIGHT: &str = "Basic b3Niczpvc2JzLXBhc3N3b3Jk";

/// What the API server says of its OAuth server.
#[derive(Debug, Clone)]
enum Discovery {
    Missing,
    Text(&'static str),
    Status(u16),
    Names(String),
}

/// What the authorization endpoint does.
#[derive(Debug, Clone)]
enum Endpoint {
    /// What OpenShift's does.
    OpenShift,
    /// Always this status, `Location` and body.
    Always(u16, Option<&'static str>, &'static str),
}

#[derive(Debug)]
struct Behaviour {
    discovery: Discovery,
    endpoint: Endpoint,
    /// Path with query, and headers, of each request.
    seen: Mutex<Vec<(String, HeaderMap)>>,
}

/// A server for one test; it ends with the test's runtime.
struct Server {
    root: Url,
    behaviour: Arc<Behaviour>,
}

impl Server {
    async fn start(discovery: Discovery, endpoint: Endpoint) -> Server {
        let behaviour = Arc::new(Behaviour { discovery, endpoint, seen: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&behaviour));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let root = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Server { root, behaviour }
    }

    fn seen(&self) -> Vec<(String, HeaderMap)> {
        self.behaviour.seen.lock().unwrap().clone()
    }

    fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|(path, _)| path.split('?').next().unwrap().to_owned()).collect()
    }

    fn challenge(&self, password: &str) -> Challenge {
        let method = Method::Basic { username: "osbs".into(), password: Secret::new(password) };
        Challenge { api: self.root.clone(), oauth_url: None, method }
    }
}

async fn answer(State(behaviour): State<Arc<Behaviour>>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().to_string();
    behaviour.seen.lock().unwrap().push((path.clone(), request.headers().clone()));
    match path.split('?').next().unwrap() {
        DISCOVERY => match &behaviour.discovery {
            Discovery::Missing => (StatusCode::NOT_FOUND, "404 page not found").into_response(),
            Discovery::Text(text) => (StatusCode::OK, *text).into_response(),
            Discovery::Status(status) => StatusCode::from_u16(*status).unwrap().into_response(),
            Discovery::Names(endpoint) => {
                let issuer = "https://oauth.example.test";
                serde_json::json!({"issuer": issuer, "authorization_endpoint": endpoint}).to_string().into_response()
            }
        },
        path if path.ends_with(AUTHORIZE) => match &behaviour.endpoint {
            Endpoint::OpenShift => openshift(&request),
            Endpoint::Always(status, location, body) => {
                let mut response = (StatusCode::from_u16(*status).unwrap(), *body).into_response();
                if let Some(location) = location {
                    response.headers_mut().insert(header::LOCATION, location.parse().unwrap());
                }
                response
            }
        },
        _ => StatusCode::IM_A_TEAPOT.into_response(),
    }
}

/// OpenShift's rules: the client must be known; without a login there is a challenge, but for browsers none.
fn openshift(request: &Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
    if field(query, "client_id").as_deref() != Some("openshift-challenging-client") {
        let body = r#"{"error":"unauthorized_client","error_description":"The client is not authorized to request a token using this method."}"#;
        return (StatusCode::BAD_REQUEST, body).into_response();
    }
    if header("authorization") == Some(RIGHT) && field(query, "response_type").as_deref() == Some("token") {
        let fragment = format!("access_token={TOKEN}&expires_in=86400&scope=user%3Afull&token_type=Bearer");
        let location = format!("/oauth/token/implicit#{fragment}");
        return (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    }
    if header("x-csrf-token").is_some_and(|value| !value.is_empty()) {
        let mut headers = HeaderMap::new();
        for scheme in [r#"Basic realm="openshift""#, "Negotiate"] {
            headers.append(header::WWW_AUTHENTICATE, scheme.parse().unwrap());
        }
        return (StatusCode::UNAUTHORIZED, headers).into_response();
    }
    let warning = r#"199 Origin "A non-empty X-CSRF-Token header is required to receive basic-auth challenges""#;
    (StatusCode::UNAUTHORIZED, [(header::WARNING, warning)]).into_response()
}

fn client() -> Client {
    crate::http::client(&ClientOptions::default()).unwrap()
}

async fn asked(challenge: &Challenge) -> Result<OAuthToken, OAuthError> {
    challenge.token(&client()).await
}

#[tokio::test]
async fn a_password_brings_the_token_of_the_fragment_and_the_redirect_is_not_followed() {
    let server = Server::start(Discovery::Missing, Endpoint::OpenShift).await;
    let token = asked(&server.challenge(PASSWORD)).await.unwrap();
    assert_eq!(token.secret.expose(), TOKEN);
    assert_eq!(token.expires_in, Some(Duration::from_secs(86_400)));
    assert_eq!(token.endpoint.path(), AUTHORIZE);

    assert_eq!(server.paths(), [DISCOVERY, AUTHORIZE]);
    let seen = server.seen();
    assert!(seen[1].0.ends_with("?response_type=token&client_id=openshift-challenging-client"), "{}", seen[1].0);
    assert_eq!(seen[1].1["x-csrf-token"], "1");
    assert_eq!(seen[1].1[header::AUTHORIZATION], RIGHT);
    assert!(!seen[0].1.contains_key(header::AUTHORIZATION), "the question for the endpoint needs no login");
}

#[tokio::test]
async fn the_endpoint_is_the_one_that_the_api_server_names() {
    let oauth = Server::start(Discovery::Missing, Endpoint::OpenShift).await;
    let named = oauth.root.join("/sub/oauth/authorize?idp=site").unwrap();
    let api = Server::start(Discovery::Names(named.to_string()), Endpoint::Always(500, None, "")).await;
    let token = asked(&api.challenge(PASSWORD)).await.unwrap();
    assert_eq!((token.secret.expose(), &token.endpoint), (TOKEN, &named));
    assert_eq!(api.paths(), [DISCOVERY]);
    let (path, _) = &oauth.seen()[0];
    assert_eq!(path, "/sub/oauth/authorize?idp=site&response_type=token&client_id=openshift-challenging-client");
}

#[tokio::test]
async fn without_a_name_the_endpoint_is_openshift_3s() {
    for discovery in [
        Discovery::Missing,
        Discovery::Text("<html>Welcome</html>"),
        Discovery::Text("{}"),
        Discovery::Text("[1]"),
        Discovery::Status(401),
        Discovery::Status(403),
        Discovery::Status(302),
    ] {
        let server = Server::start(discovery.clone(), Endpoint::OpenShift).await;
        let mut challenge = server.challenge(PASSWORD);
        challenge.api = server.root.join("/some/path/?x=y").unwrap();
        asked(&challenge).await.unwrap_or_else(|error| panic!("{discovery:?}: {error}"));
        assert_eq!(server.paths(), [DISCOVERY, AUTHORIZE], "{discovery:?}");
    }
}

#[tokio::test]
async fn a_configured_endpoint_is_asked_without_asking_the_api_server() {
    for (path, expected) in
        [("/oauth/authorize", AUTHORIZE), ("/", AUTHORIZE), ("/proxy/oauth/authorize", "/proxy/oauth/authorize")]
    {
        let proxy = Server::start(Discovery::Missing, Endpoint::OpenShift).await;
        let api = Server::start(Discovery::Missing, Endpoint::OpenShift).await;
        let challenge = Challenge { oauth_url: Some(proxy.root.join(path).unwrap()), ..api.challenge(PASSWORD) };
        asked(&challenge).await.unwrap();
        assert_eq!(proxy.paths(), [expected]);
        assert!(api.seen().is_empty());
    }
}

#[tokio::test]
async fn a_user_in_an_address_is_neither_sent_nor_shown() {
    let server = Server::start(Discovery::Missing, Endpoint::OpenShift).await;
    let mut challenge = Challenge { method: Method::Certificate, ..server.challenge("") };
    challenge.api.set_username("osbs").unwrap();
    challenge.api.set_password(Some(PASSWORD)).unwrap();
    let error = asked(&challenge).await.unwrap_err().to_string();
    assert!(!error.contains(PASSWORD) && error.contains("a client certificate"), "{error}");
    assert!(server.seen().iter().all(|(_, headers)| !headers.contains_key(header::AUTHORIZATION)));
}

#[tokio::test]
async fn credentials_go_nowhere_in_the_clear_when_the_api_server_is_asked_by_https() {
    let plain = Server::start(Discovery::Missing, Endpoint::OpenShift).await;
    let challenge = Challenge {
        api: Url::parse("https://api.example.test:6443/").unwrap(),
        oauth_url: Some(plain.root.join(AUTHORIZE).unwrap()),
        ..plain.challenge(PASSWORD)
    };
    let error = asked(&challenge).await.unwrap_err();
    assert!(matches!(error, OAuthError::Insecure { .. }), "{error}");
    assert!(error.to_string().contains("no credentials are sent there"), "{error}");
    assert!(plain.seen().is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_told_with_what_the_server_takes() {
    let server = Server::start(Discovery::Missing, Endpoint::OpenShift).await;
    let error = asked(&server.challenge("wrong")).await.unwrap_err();
    let endpoint = server.root.join(AUTHORIZE).unwrap();
    assert_eq!(
        error.to_string(),
        format!("{endpoint} refused the login as user osbs with a password; it takes Basic, Negotiate")
    );
    assert!(error.is_refusal() && !error.is_transient() && error.hint().is_some());
}

#[tokio::test]
async fn an_answer_without_a_token_is_told_for_what_it_is() {
    let other = "https://sso.example.test/login?then=%2Foauth%2Fauthorize%3Fstate%3Dhidden";
    let denied =
        "https://c.example.test/implicit#error=access_denied&error_description=The+resource+owner%0Adenied%20it";
    for (status, location, body, expected, transient) in [
        (302, Some(denied), "", "gives no token: access_denied (The resource owner denied it)", false),
        (302, Some("/x?error=server_error&state=hidden"), "", "gives no token: server_error", false),
        (302, Some(other), "", "but sends on to https://sso.example.test: a login", false),
        (303, Some("/login?then=hidden"), "", "but sends on to http://127.0.0.1", false),
        (302, Some("/implicit#access_token=&token_type=Bearer"), "", "but sends on to", false),
        (302, Some("/implicit?access_token=hidden"), "", "but sends on to", false),
        (302, Some("http://[hidden#"), "", "but sends on to an address that is none", false),
        (302, Some("/implicit#access_token=hid%0Aden"), "", "cannot be used: it has more than one line", false),
        (302, None, "", "[302] 'Location' header is missing in response of ", false),
        (401, None, "", "it offers no other way without a browser", false),
        (200, None, "<html><form>hidden</form></html>", "answered with a page instead of a token", false),
        (400, None, r#"{"error":"unauthorized_client"}"#, "gives no token: unauthorized_client", false),
        (
            404,
            None,
            "404 page not found\n",
            "answered with HTTP status 404 instead of a token: 404 page not found",
            false,
        ),
        (503, None, "", "answered with HTTP status 503 instead of a token: Service Unavailable", true),
        (429, None, "slowly\u{1b}[31m", "HTTP status 429 instead of a token: slowly [31m", true),
    ] {
        let server = Server::start(Discovery::Missing, Endpoint::Always(status, location, body)).await;
        let error = asked(&server.challenge(PASSWORD)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected), "{status} {location:?}: {text}");
        assert!(text.contains(server.root.join(AUTHORIZE).unwrap().as_str()), "{text}");
        assert_eq!(error.is_transient(), transient, "{text}");
        let shown = format!("{error:?} {text}");
        assert!(!shown.contains("hidden") && !shown.contains("hid\\nden") && !shown.contains(PASSWORD), "{shown}");
        assert_eq!(server.paths(), [DISCOVERY, AUTHORIZE], "{text}");
    }
}

#[tokio::test]
async fn what_the_api_server_says_must_make_sense() {
    for (discovery, expected) in [
        (
            Discovery::Names("/oauth/authorize".into()),
            r#"names an OAuth server that is no web address: "/oauth/authorize""#,
        ),
        (Discovery::Names("ftp://x/".into()), r#"no web address: "ftp://x/""#),
        (Discovery::Status(503), "answered with HTTP status 503 instead of a token: Service Unavailable"),
    ] {
        let server = Server::start(discovery, Endpoint::OpenShift).await;
        let error = asked(&server.challenge(PASSWORD)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(server.paths(), [DISCOVERY]);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come_back() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let api = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = asked(&Challenge { api, oauth_url: None, method: Method::Certificate }).await.unwrap_err();
    assert!(error.is_transient() && !error.is_refusal(), "{error}");
    assert!(error.to_string().starts_with("cannot reach http://127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_certificate_adds_nothing_to_the_request() {
    let location = "/implicit#access_token=abc&token_type=Bearer";
    let server = Server::start(Discovery::Missing, Endpoint::Always(302, Some(location), "")).await;
    let token = asked(&Challenge { method: Method::Certificate, ..server.challenge("") }).await.unwrap();
    assert_eq!((token.secret.expose(), token.expires_in), ("abc", None));
    assert!(!server.seen()[1].1.contains_key(header::AUTHORIZATION));
    assert_eq!(server.seen()[1].1["x-csrf-token"], "1");
}

#[tokio::test]
async fn a_keytab_without_its_principal_asks_nobody() {
    let server = Server::start(Discovery::Missing, Endpoint::OpenShift).await;
    let kerberos = Kerberos { keytab: Some("/keytab".into()), ..Kerberos::default() };
    let error = asked(&Challenge { method: Method::Kerberos(kerberos), ..server.challenge("") }).await.unwrap_err();
    let OAuthError::Kerberos { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.to_string(), "You need to provide both keytab and principal.");
    assert_eq!(server.paths(), [DISCOVERY]);
}

#[test]
fn a_life_of_0_is_for_ever() {
    let endpoint = Url::parse("https://o.example.test/oauth/authorize").unwrap();
    for (expires_in, life) in [
        ("60", Some(60)),
        ("86400", Some(86_400)),
        ("0", None),
        ("soon", None),
        ("-1", None),
        ("18446744073709551615", Some(u64::MAX)),
    ] {
        let location = format!("/implicit#expires_in={expires_in}&access_token=abc");
        let token = from_location(endpoint.clone(), &location).unwrap();
        assert_eq!(token.expires_in.map(|duration| duration.as_secs()), life, "{expires_in}");
    }
}

/// What the whole process logs about OAuth and its requests, once [`begin_log`] was called.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Appends to [`LOG`].
struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One subscriber for all tests: while others run beside it, one of a thread's own misses events.
fn begin_log() {
    let filter = "off,fedpkg_container_build::osbs=trace,reqwest=trace,hyper=trace,hyper_util=trace";
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Log).init();
}

#[tokio::test]
async fn neither_logs_nor_debug_output_show_a_secret() {
    begin_log();
    let server = Server::start(Discovery::Missing, Endpoint::OpenShift).await;
    let challenge = server.challenge(PASSWORD);
    let token = asked(&challenge).await.unwrap();
    let logged = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("the OAuth server is not named"), "{logged}");
    for shown in [logged, format!("{challenge:?}"), format!("{token:?}")] {
        for secret in [PASSWORD, TOKEN, &RIGHT["Basic ".len()..], "access_token"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
