//! The shapes of KrakenD's recorded cases: what it starts with, starts here, and what it refuses is
//! refused. Backends stand on ports of their own; encodings that come later are left out.

use super::load::{Options, load};
use super::render;

const ACCEPTED: &[(&str, &str)] = &[
    (
        "01-single",
        r##"{"version": 3, "extra_config": {"router": {"return_error_msg": true}},
 "endpoints": [
  {"endpoint": "/u", "backend": [{"url_pattern": "/user", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/obj-empty", "backend": [{"url_pattern": "/empty", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/null", "backend": [{"url_pattern": "/null", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/arr", "backend": [{"url_pattern": "/arr", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/scalar", "backend": [{"url_pattern": "/scalar", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/trailing", "backend": [{"url_pattern": "/trailing", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/bom", "backend": [{"url_pattern": "/bom", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/dup", "backend": [{"url_pattern": "/dup", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/nobody", "backend": [{"url_pattern": "/nobody", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/bad", "backend": [{"url_pattern": "/bad", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s201", "backend": [{"url_pattern": "/s201", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s204", "backend": [{"url_pattern": "/s204", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s301", "backend": [{"url_pattern": "/s301", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s302loop", "backend": [{"url_pattern": "/loop", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s400", "backend": [{"url_pattern": "/s400", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s404", "backend": [{"url_pattern": "/s404", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s500", "backend": [{"url_pattern": "/s500", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s304", "backend": [{"url_pattern": "/s304", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s206", "backend": [{"url_pattern": "/s206", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/closed", "backend": [{"url_pattern": "/closed", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/cut", "backend": [{"url_pattern": "/cut", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/cutchunk", "backend": [{"url_pattern": "/cutchunk", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/dead", "backend": [{"url_pattern": "/", "host": ["http://127.0.0.1:18499"]}]},
  {"endpoint": "/chunked", "backend": [{"url_pattern": "/chunked", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/until", "backend": [{"url_pattern": "/until", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/badct", "backend": [{"url_pattern": "/badct", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    (
        "02-single-no-error-text",
        r##"{"version": 3,
 "endpoints": [
  {"endpoint": "/bad", "backend": [{"url_pattern": "/bad", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/s404", "backend": [{"url_pattern": "/s404", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/dead", "backend": [{"url_pattern": "/", "host": ["http://127.0.0.1:18499"]}]},
  {"endpoint": "/two", "backend": [{"url_pattern": "/s404", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/bad", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    (
        "04-target-mapping-group",
        r##"{"version": 3,
 "endpoints": [
  {"endpoint": "/group", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "group": "g"}]},
  {"endpoint": "/map", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "mapping": {"id": "ident", "addr.city": "x", "email": "e.mail"}}]},
  {"endpoint": "/map-over", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "mapping": {"id": "name"}}]},
  {"endpoint": "/map-self", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "mapping": {"id": "id"}}]},
  {"endpoint": "/target", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "target": "addr"}]},
  {"endpoint": "/target-deep", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "target": "addr.geo"}]},
  {"endpoint": "/target-missing", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "target": "no.such"}]},
  {"endpoint": "/target-scalar", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "target": "id"}]},
  {"endpoint": "/target-arr", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "target": "posts"}]},
  {"endpoint": "/all", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "target": "addr", "allow": ["city", "geo.lat"], "mapping": {"city": "town"}, "group": "where"}]},
  {"endpoint": "/map-filtered", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "allow": ["id"], "mapping": {"id": "n", "email": "m"}}]},
  {"endpoint": "/group-empty", "backend": [{"url_pattern": "/empty", "host": ["http://127.0.0.1:18481"], "group": "g"}]},
  {"endpoint": "/group-null", "backend": [{"url_pattern": "/null", "host": ["http://127.0.0.1:18481"], "group": "g"}]},
  {"endpoint": "/group-dot", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"], "allow": ["id"], "group": "a.b"}]}
]}"##,
    ),
    (
        "05-collection",
        r##"{"version": 3, "extra_config": {"router": {"return_error_msg": true}},
 "endpoints": [
  {"endpoint": "/c", "backend": [{"url_pattern": "/arr", "host": ["http://127.0.0.1:18481"], "is_collection": true}]},
  {"endpoint": "/c-map", "backend": [{"url_pattern": "/arr", "host": ["http://127.0.0.1:18481"], "is_collection": true, "mapping": {"collection": "items"}}]},
  {"endpoint": "/c-allow", "backend": [{"url_pattern": "/arr", "host": ["http://127.0.0.1:18481"], "is_collection": true, "allow": ["collection"]}]},
  {"endpoint": "/c-deny", "backend": [{"url_pattern": "/arr", "host": ["http://127.0.0.1:18481"], "is_collection": true, "deny": ["collection.id"]}]},
  {"endpoint": "/c-group", "backend": [{"url_pattern": "/arr", "host": ["http://127.0.0.1:18481"], "is_collection": true, "group": "g"}]},
  {"endpoint": "/c-obj", "backend": [{"url_pattern": "/obj", "host": ["http://127.0.0.1:18481"], "is_collection": true}]},
  {"endpoint": "/c-empty", "backend": [{"url_pattern": "/earr", "host": ["http://127.0.0.1:18481"], "is_collection": true}]},
  {"endpoint": "/jc", "backend": [{"url_pattern": "/arr", "host": ["http://127.0.0.1:18481"], "is_collection": true}], "output_encoding": "json-collection"},
  {"endpoint": "/jc-obj", "backend": [{"url_pattern": "/obj", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "json-collection"},
  {"endpoint": "/jc-empty", "backend": [{"url_pattern": "/earr", "host": ["http://127.0.0.1:18481"], "is_collection": true}], "output_encoding": "json-collection"},
  {"endpoint": "/jc-map", "backend": [{"url_pattern": "/arr", "host": ["http://127.0.0.1:18481"], "is_collection": true, "mapping": {"collection": "x"}}], "output_encoding": "json-collection"},
  {"endpoint": "/jc-fail", "backend": [{"url_pattern": "/s500", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "json-collection"},
  {"endpoint": "/c-mixed", "backend": [{"url_pattern": "/mixed", "host": ["http://127.0.0.1:18481"], "is_collection": true}]},
  {"endpoint": "/c-null", "backend": [{"url_pattern": "/null", "host": ["http://127.0.0.1:18481"], "is_collection": true}]}
]}"##,
    ),
    (
        "06-merge",
        r##"{"version": 3, "cache_ttl": "60s",
 "endpoints": [
  {"endpoint": "/two", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/b", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/five", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/b", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/c", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/d", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/e", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/groups", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"], "group": "x"}, {"url_pattern": "/b", "host": ["http://127.0.0.1:18481"], "group": "y"}]},
  {"endpoint": "/same-group", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"], "group": "x"}, {"url_pattern": "/b150", "host": ["http://127.0.0.1:18481"], "group": "x"}]},
  {"endpoint": "/coll", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/list", "host": ["http://127.0.0.1:18481"], "is_collection": true}]},
  {"endpoint": "/conflict", "backend": [{"url_pattern": "/c1", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/c2slow", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/conflict2", "backend": [{"url_pattern": "/c2slow", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/c1", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/empty-part", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/empty150", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/empties", "backend": [{"url_pattern": "/empty", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/empty150", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/null-part", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/null150", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/nested-conflict", "backend": [{"url_pattern": "/n1", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/n2slow", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/post", "backend": [{"url_pattern": "/echo/1", "host": ["http://127.0.0.1:18481"], "method": "POST", "group": "x"}, {"url_pattern": "/echo/2", "host": ["http://127.0.0.1:18481"], "method": "GET", "group": "y"}], "method": "POST", "input_headers": ["Content-Type"]}
]}"##,
    ),
    (
        "08-timeout",
        r##"{"version": 3, "timeout": "250ms", "extra_config": {"router": {"return_error_msg": true}},
 "endpoints": [
  {"endpoint": "/slow", "backend": [{"url_pattern": "/slow", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/slow-ok", "backend": [{"url_pattern": "/slow", "host": ["http://127.0.0.1:18481"]}], "timeout": "2s"},
  {"endpoint": "/two", "backend": [{"url_pattern": "/slow", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/slow2", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/noop", "backend": [{"url_pattern": "/slow", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/fast", "backend": [{"url_pattern": "/fast", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    (
        "10-noop",
        r##"{"version": 3, "extra_config": {"router": {"return_error_msg": true}},
 "endpoints": [
  {"endpoint": "/ok", "backend": [{"url_pattern": "/ok", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/s/{c}", "backend": [{"url_pattern": "/st/{c}", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/redir", "backend": [{"url_pattern": "/redir", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/post", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"], "method": "POST"}], "output_encoding": "no-op", "method": "POST", "input_headers": ["Content-Type"]},
  {"endpoint": "/gz", "backend": [{"url_pattern": "/gz", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/gz-all", "backend": [{"url_pattern": "/gz", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op", "input_headers": ["*"]},
  {"endpoint": "/big", "backend": [{"url_pattern": "/big", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/chunked", "backend": [{"url_pattern": "/chunked", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/cut", "backend": [{"url_pattern": "/cut", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/cookies", "backend": [{"url_pattern": "/cookies", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/enc-only", "backend": [{"url_pattern": "/ok", "host": ["http://127.0.0.1:18481"], "encoding": "no-op"}]},
  {"endpoint": "/out-only", "backend": [{"url_pattern": "/ok", "host": ["http://127.0.0.1:18481"], "encoding": "json"}], "output_encoding": "no-op"},
  {"endpoint": "/dead", "backend": [{"url_pattern": "/", "host": ["http://127.0.0.1:18499"]}], "output_encoding": "no-op"},
  {"endpoint": "/bin", "backend": [{"url_pattern": "/bin", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op"},
  {"endpoint": "/group", "backend": [{"url_pattern": "/ok", "host": ["http://127.0.0.1:18481"], "group": "g", "allow": ["x"]}], "output_encoding": "no-op"},
  {"endpoint": "/m", "backend": [{"url_pattern": "/ok", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "no-op", "cache_ttl": "60s"}
]}"##,
    ),
    (
        "14-input-headers",
        r##"{"version": 3,
 "endpoints": [
  {"endpoint": "/none", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/some", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"]}], "input_headers": ["X-Two", "authorization"]},
  {"endpoint": "/all", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"]}], "input_headers": ["*"]},
  {"endpoint": "/backend", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"], "input_headers": ["X-One"]}], "input_headers": ["X-One", "X-Two"]},
  {"endpoint": "/backend-none", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"], "input_headers": [""]}], "input_headers": ["*"]},
  {"endpoint": "/backend-star", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"], "input_headers": ["*"]}], "input_headers": ["X-One"]},
  {"endpoint": "/ct", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"]}], "input_headers": ["Content-Type"]},
  {"endpoint": "/ua", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"]}], "input_headers": ["User-Agent"]},
  {"endpoint": "/host", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"]}], "input_headers": ["Host", "X-One"]},
  {"endpoint": "/fwd", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"]}], "input_headers": ["X-Forwarded-For", "X-Forwarded-Host"]},
  {"endpoint": "/ae", "backend": [{"url_pattern": "/echo", "host": ["http://127.0.0.1:18481"]}], "input_headers": ["Accept-Encoding"]}
]}"##,
    ),
    (
        "16-url-pattern",
        r##"{"version": 3,
 "endpoints": [
  {"endpoint": "/a/{x}", "backend": [{"url_pattern": "/echo/{x}", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/b/{x}/{y}", "backend": [{"url_pattern": "/echo/{y}/{x}/{y}", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/q/{x}", "backend": [{"url_pattern": "/echo?x={x}", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/mid/{x}/end", "backend": [{"url_pattern": "/echo/pre-{x}-post", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/case/{UserId}/{user_name}/{a-b}", "backend": [{"url_pattern": "/echo/{UserId}/{user_name}/{a-b}", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/noslash/{x}", "backend": [{"url_pattern": "echo/{x}", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/lit/x", "backend": [{"url_pattern": "/echo/literal", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/lit/{x}", "backend": [{"url_pattern": "/echo/param/{x}", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/dots/{x}", "backend": [{"url_pattern": "/echo/../{x}", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/dbl/{x}", "backend": [{"url_pattern": "//echo//{x}", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/trail/{x}", "backend": [{"url_pattern": "/echo/{x}/", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    (
        "17-host-path",
        r##"{"version": 3, "host": ["http://127.0.0.1:18481"],
 "endpoints": [
  {"endpoint": "/svc", "backend": [{"url_pattern": "/echo/svc"}]},
  {"endpoint": "/slash", "backend": [{"url_pattern": "/echo/slash", "host": ["http://127.0.0.1:18481/"]}]},
  {"endpoint": "/noscheme", "backend": [{"url_pattern": "/echo/ns", "host": ["127.0.0.1:18481"]}]},
  {"endpoint": "/path", "backend": [{"url_pattern": "/x", "host": ["http://127.0.0.1:18481/echo"], "disable_host_sanitize": true}]},
  {"endpoint": "/method", "backend": [{"url_pattern": "/echo/m", "host": ["http://127.0.0.1:18481"], "method": "DELETE"}]},
  {"endpoint": "/put", "backend": [{"url_pattern": "/echo/put", "host": ["http://127.0.0.1:18481"]}], "method": "PUT"},
  {"endpoint": "/patch", "backend": [{"url_pattern": "/echo/patch", "host": ["http://127.0.0.1:18481"]}], "method": "PATCH"},
  {"endpoint": "/delete", "backend": [{"url_pattern": "/echo/del", "host": ["http://127.0.0.1:18481"]}], "method": "DELETE"},
  {"endpoint": "/post-get", "backend": [{"url_pattern": "/echo/pg", "host": ["http://127.0.0.1:18481"], "method": "GET"}], "method": "POST"},
  {"endpoint": "/lower", "backend": [{"url_pattern": "/echo/l", "host": ["http://127.0.0.1:18481"], "method": "post"}], "method": "post"},
  {"endpoint": "/empty", "backend": [{"url_pattern": "", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "noslash", "backend": [{"url_pattern": "/echo/noslash", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    (
        "18-router-404-405",
        r##"{"version": 3,
 "endpoints": [
  {"endpoint": "/one", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/one", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}], "method": "POST"},
  {"endpoint": "/dir/", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/Case/Path", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/p/{id}", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/p/{id}/sub", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}], "method": "PUT"}
]}"##,
    ),
    (
        "22-error-code",
        r##"{"version": 3, "cache_ttl": "30s", "extra_config": {"router": {"return_error_msg": true}},
 "endpoints": [
  {"endpoint": "/code/{s}", "backend": [{"url_pattern": "/st/{s}", "host": ["http://127.0.0.1:18481"], "extra_config": {"backend/http": {"return_error_code": true}}}]},
  {"endpoint": "/det/{s}", "backend": [{"url_pattern": "/st/{s}", "host": ["http://127.0.0.1:18481"], "extra_config": {"backend/http": {"return_error_details": "b1"}}}]},
  {"endpoint": "/both/{s}", "backend": [{"url_pattern": "/st/{s}", "host": ["http://127.0.0.1:18481"], "extra_config": {"backend/http": {"return_error_details": "b1", "return_error_code": true}}}]},
  {"endpoint": "/plain/{s}", "backend": [{"url_pattern": "/st/{s}", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/detg/{s}", "backend": [{"url_pattern": "/st/{s}", "host": ["http://127.0.0.1:18481"], "group": "g", "allow": ["x"], "extra_config": {"backend/http": {"return_error_details": "b1"}}}]}
]}"##,
    ),
    (
        "24-output-encodings",
        r##"{"version": 3, "cache_ttl": "5s",
 "endpoints": [
  {"endpoint": "/json", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "json"},
  {"endpoint": "/str", "backend": [{"url_pattern": "/txt", "host": ["http://127.0.0.1:18481"], "encoding": "string"}], "output_encoding": "string"},
  {"endpoint": "/str-json", "backend": [{"url_pattern": "/txt", "host": ["http://127.0.0.1:18481"], "encoding": "string"}]},
  {"endpoint": "/str-none", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "string"},
  {"endpoint": "/fast", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "fast-json"},
  {"endpoint": "/unknown", "backend": [{"url_pattern": "/u", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "nope"},
  {"endpoint": "/unknown-str", "backend": [{"url_pattern": "/txt", "host": ["http://127.0.0.1:18481"], "encoding": "string"}], "output_encoding": "nope"},
  {"endpoint": "/str-fail", "backend": [{"url_pattern": "/s500", "host": ["http://127.0.0.1:18481"]}], "output_encoding": "string"}
]}"##,
    ),
    (
        "27-cache-ttl",
        r##"{"version": 3, "cache_ttl": "300s",
 "endpoints": [
  {"endpoint": "/svc", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/own", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}], "cache_ttl": "90s"},
  {"endpoint": "/zero", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}], "cache_ttl": "0s"},
  {"endpoint": "/sub", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}], "cache_ttl": "500ms"},
  {"endpoint": "/hour", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}], "cache_ttl": "1h30m"},
  {"endpoint": "/empty", "backend": [{"url_pattern": "/empty", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/fail", "backend": [{"url_pattern": "/s500", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/post", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"], "method": "GET"}], "method": "POST"},
  {"endpoint": "/filtered", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"], "allow": ["x"]}]}
]}"##,
    ),
    (
        "44-gzip",
        r##"{"version": 3, "extra_config": {"router": {"return_error_msg": true}},
 "endpoints": [
  {"endpoint": "/gz", "backend": [{"url_pattern": "/gz", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/gz-ae", "backend": [{"url_pattern": "/gz", "host": ["http://127.0.0.1:18481"]}], "input_headers": ["Accept-Encoding"]},
  {"endpoint": "/badgz", "backend": [{"url_pattern": "/badgz", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/br", "backend": [{"url_pattern": "/br", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/two", "backend": [{"url_pattern": "/gz", "host": ["http://127.0.0.1:18481"], "group": "a"}, {"url_pattern": "/gz", "host": ["http://127.0.0.1:18481"], "group": "b"}]}
]}"##,
    ),
    (
        "46-numbers",
        r##"{"version": 3, "extra_config": {"router": {"return_error_msg": true}},
 "endpoints": [
  {"endpoint": "/n", "backend": [{"url_pattern": "/n", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/g", "backend": [{"url_pattern": "/n", "host": ["http://127.0.0.1:18481"], "group": "g"}]},
  {"endpoint": "/m", "backend": [{"url_pattern": "/n", "host": ["http://127.0.0.1:18481"]}, {"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/c", "backend": [{"url_pattern": "/na", "host": ["http://127.0.0.1:18481"], "is_collection": true}]},
  {"endpoint": "/bad1", "backend": [{"url_pattern": "/lead0", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/bad2", "backend": [{"url_pattern": "/plus", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/bad3", "backend": [{"url_pattern": "/nan", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/bad4", "backend": [{"url_pattern": "/dot", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    (
        "48-big-deep",
        r##"{"version": 3, "extra_config": {"router": {"return_error_msg": true}},
 "endpoints": [
  {"endpoint": "/big", "backend": [{"url_pattern": "/big", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/bigg", "backend": [{"url_pattern": "/big", "host": ["http://127.0.0.1:18481"], "group": "g", "allow": ["n"]}]},
  {"endpoint": "/bigtwo", "backend": [{"url_pattern": "/big", "host": ["http://127.0.0.1:18481"], "group": "a"}, {"url_pattern": "/big", "host": ["http://127.0.0.1:18481"], "group": "b"}]},
  {"endpoint": "/up", "backend": [{"url_pattern": "/echo/up", "host": ["http://127.0.0.1:18481"]}], "method": "POST"},
  {"endpoint": "/upn", "backend": [{"url_pattern": "/echo/up", "host": ["http://127.0.0.1:18481"]}], "method": "POST", "output_encoding": "no-op"},
  {"endpoint": "/up2", "backend": [{"url_pattern": "/echo/up", "host": ["http://127.0.0.1:18481"], "group": "a"}, {"url_pattern": "/echo/up2", "host": ["http://127.0.0.1:18481"], "group": "b"}], "method": "POST"},
  {"endpoint": "/deep", "backend": [{"url_pattern": "/deep", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/deeper", "backend": [{"url_pattern": "/deeper", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/many", "backend": [{"url_pattern": "/many", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/manyd", "backend": [{"url_pattern": "/many", "host": ["http://127.0.0.1:18481"], "deny": ["k7"]}]}
]}"##,
    ),
    (
        "51-debug-echo",
        r##"{"version": 3, "debug_endpoint": true, "echo_endpoint": true,
 "endpoints": [
  {"endpoint": "/a", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    (
        "57-config-loose",
        r##"{"version": 3, "$schema": "https://www.krakend.io/schema/v2.13/krakend.json", "port": "18480", "_note": "x", "name": "n", "unknown": {"x": 1},
 "endpoints": [
  {"endpoint": "/a", "@comment": "x", "backend": [{"url_pattern": "/a", "host": "http://127.0.0.1:18481", "nope": 1}]},
  {"endpoint": "/slow", "timeout": "1500ms", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"], "timeout": "1ms"}]}
]}"##,
    ),
];

const REFUSED: &[(&str, &str)] = &[
    (
        "60a-refused-version",
        r##"{"version": 2,
 "endpoints": [
  {"endpoint": "/a", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    (
        "60c-refused-param",
        r##"{"version": 3,
 "endpoints": [
  {"endpoint": "/a/{x}", "backend": [{"url_pattern": "/{y}", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    (
        "60f-refused-duplicate",
        r##"{"version": 3,
 "endpoints": [
  {"endpoint": "/a", "backend": [{"url_pattern": "/a", "host": ["http://127.0.0.1:18481"]}]},
  {"endpoint": "/a", "backend": [{"url_pattern": "/b", "host": ["http://127.0.0.1:18481"]}]}
]}"##,
    ),
    ("70-refused-broken-json", r##"{"version": 3, "endpoints": ["##),
];

fn verdict(text: &str) -> (bool, String) {
    let loaded =
        load(&|_| Err(String::new()), "case.json", text.as_bytes(), &[], &Options::default());
    (loaded.service.is_some(), render::plain(&loaded.diagnostics, &loaded.sources))
}

#[test]
fn taken() {
    for (name, text) in ACCEPTED {
        let (taken, told) = verdict(text);
        assert!(taken, "{name}: {told}");
    }
}

#[test]
fn refused() {
    for (name, text) in REFUSED {
        let (taken, _) = verdict(text);
        assert!(!taken, "{name}");
    }
}

/// What is told about the files that are taken: doubts and nothing else.
#[test]
fn what_is_told() {
    let told: String =
        ACCEPTED.iter().map(|(name, text)| format!("{name}\n{}", verdict(text).1)).collect();
    insta::assert_snapshot!(told);
}
