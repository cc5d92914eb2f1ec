package declare_test

import (
	"errors"
	"testing"

	"github.com/lycosa-crawl/lycosa/crawler/declare"
)

// with returns a spider in whose item field f has the form given.
func with(f string) string {
	return "name: x\nroutes:\n  a:\n    items:\n      - kind: book\n        fields:\n          f: " + f + "\n"
}

// set returns a spider with more top-level lines, from line 3 on.
func set(lines string) string { return "name: x\nroutes: {a: {follow: [{route: a}]}}\n" + lines + "\n" }

// route returns a spider with a route of the form given.
func route(r string) string { return "name: x\nroutes:\n  a: " + r + "\n" }

func TestWrongSpidersAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, src, want string }{
		// the file
		{"empty", "", "1:1: the file is empty"},
		{"blank", "\n \n", "1:1: the file is empty"},
		{"comments only", "# nothing\n", "1:1: the file is empty"},
		{"two documents", "name: x\n---\nname: y\n", "3:1: a second document: a file holds one spider"},
		{"list", "- name: x\n", "1:1: want a mapping (name: value), not a list"},
		{"text", "hello\n", "1:1: want a mapping (name: value), not text"},
		{"tab", "name: x\nroutes:\n\ta: {}\n", "3:1: a tab: lines are indented with blanks"},
		{"NUL", "name: x\nrou\x00tes: y\n", "2:4: a NUL byte"},
		{"not UTF-8", "name: x\nä: b\xff\n", "2:5: not UTF-8"},
		{"unclosed list", "name: x\nstart: [a, b\nroutes: c\n", "3:1: ',' or ']' must be specified"},
		{"unclosed quote", "name: 'x\n", "1:7: could not find end character of single-quoted text"},
		{"colon in text", "name: x: y\n", "1:7: mapping value is not allowed in this context"},
		{"merge key", "name: x\nroutes: {a: {<<: {follow: [{route: a}]}}}\n", "2:14: routes.a: merge keys (<<) are not read: write the entries out"},
		{"tag", "name: !!str x\n", "1:7: name: tags (!!str) have no meaning here: text that begins with ! is put in quotes"},
		{"alias without anchor", "name: *x\n", "1:7: name: alias *x has no anchor: text that begins with * is put in quotes"},
		{"anchor twice", "name: &a x\nroute: &a y\n", "2:8: anchor &a is defined twice"},
		{"alias of itself", "name: &a *a\n", "1:10: unexpected scalar value type"},
		{"duplicate key", "name: x\nname: y\n", `2:1: mapping key "name" already defined at [1:1]`},
		{"duplicate key in quotes", "name: x\n\"name\": y\n", `2:1: mapping key "name" already defined at [1:1]`},
		{"duplicate in a row", "name: x\nscope: {type: host, type: any}\n", `2:21: mapping key "type" already defined at [2:9]`},
		{"list as name", "name: x\n? [a]\n: b\n", `3:1: found an invalid key for this map`},

		// the top
		{"no name", "routes: {a: {follow: [{route: a}]}}\n", "1:1: name is missing"},
		{"empty name", "name:\nroutes: {a: {}}\n", "1:6: name: want text, not nothing"},
		{"wrong name", "name: my spider\n", `1:7: name: "my spider": a name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'`},
		{"name is a list", "name: [x]\n", "1:7: name: want text, not a list"},
		{"no routes", "name: x\n", "1:1: routes is missing"},
		{"empty routes", "name: x\nroutes: {}\n", "2:9: routes: is empty"},
		{"routes is nothing", "name: x\nroutes:\n", "2:9: routes: want a mapping (name: value), not nothing"},
		{"routes is a list", "name: x\nroutes: [a]\n", "2:9: routes: want a mapping (name: value), not a list"},
		{"unknown key", set("strat: [https://shop.example/]"), `3:1: unknown key "strat": want name, start, route, sitemaps, scope, settings, canonical, params, routes or revisit`},
		{"start is text", set("start: https://shop.example/"), "3:8: start: want a list, not text"},
		{"start is empty", set("start: []"), "3:8: start: is empty"},
		{"start is relative", set("start: [/index.html]"), `3:9: start[0]: URL "/index.html" refused: relative, and nothing to resolve it against`},
		{"start is mail", set("start: [https://a.example/, 'mailto:a@b']"), `3:29: start[1]: URL "mailto:a@b" refused: scheme "mailto" is not http or https`},
		{"start is a number", set("start: [5]"), "3:9: start[0]: want text, not a number: put it in quotes if it is meant as text"},
		{"unknown start route", set("route: b"), `3:8: route: unknown route "b": want a`},

		// scope, settings, canonical, params
		{"unknown scope", set("scope: {type: site}"), `3:15: scope.type: scope "site": want page, prefix, host, domain or any`},
		{"scope is text", set("scope: host"), "3:8: scope: want a mapping (name: value), not text"},
		{"bad glob", set("scope: {include: ['*', '[a']}"), `3:24: scope.include[1]: "[a" is no glob: syntax error at 2: unexpected end of input`},
		{"exclude is text", set("scope: {exclude: '*'}"), "3:18: scope.exclude: want a list, not text"},
		{"unknown kind of duplicates", set("settings: {duplicates: some}"), `3:24: settings.duplicates: duplicates "some": want off, exact or near`},
		{"unknown setting", set("settings: {dealy: 1s}"), `3:12: settings: unknown key "dealy": want delay, concurrency, per_host, max_depth, max_pages, max_attempts, retry_delay, timeout, lease, max_body, max_redirects, duplicates, obey_robots, user_agent or allow_private`},
		{"delay without unit", set("settings: {delay: 5}"), `3:19: settings.delay: "5": want a duration such as 500ms, 2s, 1h30m or 30d`},
		{"negative delay", set("settings: {delay: -1s}"), "3:19: settings.delay: -1s is less than 0s"},
		{"negative days", set("settings: {delay: 1d-2h}"), `3:19: settings.delay: "1d-2h": want a duration such as 500ms, 2s, 1h30m or 30d`},
		{"long delay", set("settings: {delay: 30d}"), "3:19: settings.delay: is too large: at most 24h0m0s"},
		{"endless delay", set("settings: {delay: 65535d}"), "3:19: settings.delay: is too large: at most 24h0m0s"},
		{"short lease", set("settings: {lease: 5ms}"), "3:19: settings.lease: 5ms is less than 1s"},
		{"no concurrency", set("settings: {concurrency: 0}"), "3:25: settings.concurrency: 0 is less than 1"},
		{"huge concurrency", set("settings: {concurrency: 100001}"), "3:25: settings.concurrency: is too large: at most 100000"},
		{"overflow", set("settings: {max_depth: 99999999999999999999}"), "3:23: settings.max_depth: want a whole number, not \"99999999999999999999\""},
		{"too large for an int", set("settings: {max_depth: 18446744073709551615}"), "3:23: settings.max_depth: 9223372036854775807 is too large"},
		{"fraction", set("settings: {per_host: 1.5}"), `3:22: settings.per_host: want a whole number, not "1.5"`},
		{"number in words", set("settings: {max_pages: many}"), `3:23: settings.max_pages: want a whole number, not "many"`},
		{"yes is no bool", set("settings: {obey_robots: yes}"), `3:25: settings.obey_robots: want true or false, not "yes"`},
		{"bad size", set("settings: {max_body: 10Mb}"), `3:22: settings.max_body: "10Mb": want a size such as 65536, 10MB or 10MiB`},
		{"no size", set("settings: {max_body: 0}"), `3:22: settings.max_body: "0": a size is at least 1`},
		{"huge size", set("settings: {max_body: 99999999999GiB}"), `3:22: settings.max_body: "99999999999GiB" is too large`},
		{"size beyond the engine's", set("settings: {max_body: 2048GiB}"), "3:22: settings.max_body: is too large: at most 1099511627776"},
		{"line break in user agent", set(`settings: {user_agent: "a\nb"}`), "3:24: settings.user_agent: has a line break"},
		{"settings twice", set("settings: {delay: 1s}\nsettings: {delay: 2s}"), `4:1: mapping key "settings" already defined at [3:1]`},
		{"bad parameter glob", set("canonical: {drop_params: ['[']}"), `3:27: canonical.drop_params[0]: "[" is no glob`},
		{"too long URLs", set("canonical: {max_length: 65537}"), "3:25: canonical.max_length: 65537 is too large"},
		{"unknown rule", set("canonical: {sort: true}"), `3:13: canonical: unknown key "sort": want drop_params, keep_params, drop_tracking, drop_sessions, drop_path_sessions, fold_path_case, trailing_slash, unsorted, keep_fragment, max_length, canonical_bodies, fingerprint_headers or fingerprint`},
		{"bad header", set("canonical: {fingerprint_headers: [a, 'b c']}"), `3:38: canonical.fingerprint_headers[1]: "b c" is no name of a header`},
		{"unknown fingerprint", set("canonical: {fingerprint: nutch}"), `3:26: canonical.fingerprint: fingerprint "nutch": want lycosa, scrapy, scrapy-redis, scrapy-old`},
		{"unknown slash", set("canonical: {trailing_slash: off}"), `3:29: canonical.trailing_slash: trailing slash "off": want keep, remove or add`},
		{"case is no bool", set("canonical: {fold_path_case: lower}"), `3:29: canonical.fold_path_case: want true or false, not "lower"`},
		{"sessions are a list", set("canonical: {drop_path_sessions: [sid]}"), "3:33: canonical.drop_path_sessions: want true or false, not a list"},
		{"list as parameter", set("params: {q: [a]}"), "3:13: params.q: want text, not a list"},

		// sitemaps
		{"sitemaps are a mapping", set("sitemaps: {from: robots}"), "3:11: sitemaps: want a list, not a mapping"},
		{"no sitemaps", set("sitemaps: []"), "3:11: sitemaps: is empty"},
		{"sitemap of nowhere", set("sitemaps: [{route: a}]"), "3:12: sitemaps[0]: want url, or from: robots"},
		{"sitemap of two places", set("sitemaps: [{from: robots, url: 'https://a.example/'}]"), "3:32: sitemaps[0].url: url and from exclude each other"},
		{"sitemap from elsewhere", set("sitemaps: [{from: robot}]"), `3:19: sitemaps[0].from: "robot": want robots, or url in its place`},
		{"sitemap is relative", set("sitemaps: [{url: /sitemap.xml}]"), `3:18: sitemaps[0].url: URL "/sitemap.xml" refused: relative, and nothing to resolve it against`},
		{"sitemap of no route", set("sitemaps: [{from: robots, route: b}]"), `3:34: sitemaps[0].route: unknown route "b": want a`},
		{"sitemap with a bad glob", set("sitemaps: [{from: robots, include: ['[']}]"), `3:37: sitemaps[0].include[0]: "[" is no glob: syntax error at 1: unexpected end of input`},
		{"sitemap in the old spelling", set("sitemaps: [{follow: a}]"), `3:13: sitemaps[0]: unknown key "follow": want from, url, route or include`},
		{"sitemap of which nothing is left", set("sitemaps: [{url: 'https://a.example/'}, {from: robots}, {url: 'https://a.example:443', include: ['*']}]"), "3:57: sitemaps[2]: an earlier entry without include takes all of the same sitemap"},
		{"revisit of sitemaps without any", set("revisit: {rules: [{route: '@sitemap', every: 1h}]}"), `3:27: revisit.rules[0].route: unknown route "@sitemap": want a`},

		// routes
		{"route name", "name: x\nroutes: {Detail: {follow: [{css: a}]}}\n", `2:10: routes: "Detail": the name of a route is 1 to 32 of a-z, 0-9, '_' and '-'`},
		{"route is empty", route("{}"), "3:6: routes.a: is empty"},
		{"unknown key in route", route("{item: []}"), `3:7: routes.a: unknown key "item": want items or follow`},
		{"follow is a mapping", route("{follow: {css: a}}"), "3:15: routes.a.follow: want a list, not a mapping"},
		{"link is text", route("{follow: [a.next]}"), "3:16: routes.a.follow[0]: want a mapping (name: value), not text"},
		{"unknown route", route("{follow: [{css: a, route: detial}]}"), `3:32: routes.a.follow[0].route: unknown route "detial": want a`},
		{"bad selector", route("{follow: [{css: 'a[href'}]}"), `3:22: routes.a.follow[0].css: selector "a[href": unexpected EOF in attribute selector`},
		{"empty selector", route("{follow: [{css: ''}]}"), "3:22: routes.a.follow[0].css: is empty"},
		{"selector is a comment", "name: x\nroutes:\n  a:\n    follow:\n      - css: #next a\n", "5:14: routes.a.follow[0].css: is empty: what follows # is a comment, unless it is put in quotes"},
		{"unknown key in link", route("{follow: [{xpath: //a}]}"), `3:17: routes.a.follow[0]: unknown key "xpath": want css or route`},

		// items
		{"no kind", route("{items: [{fields: {t: h1}}]}"), "3:15: routes.a.items[0]: kind is missing"},
		{"bad kind", route("{items: [{kind: 2nd, fields: {t: h1}}]}"), `3:22: routes.a.items[0].kind: "2nd": a kind is a letter and up to 63 letters, digits, '_' and '-'`},
		{"no fields", route("{items: [{kind: book}]}"), "3:15: routes.a.items[0]: fields is missing"},
		{"empty fields", route("{items: [{kind: book, fields: {}}]}"), "3:36: routes.a.items[0].fields: is empty"},
		{"unknown key in item", route("{items: [{kind: book, id: x}]}"), `3:28: routes.a.items[0]: unknown key "id": want kind, each, key or fields`},
		{"bad each", route("{items: [{kind: book, each: 'div:nope', fields: {t: h1}}]}"), `3:34: routes.a.items[0].each: selector "div:nope": unknown pseudoclass or pseudoelement :nope`},
		{"key without field", route("{items: [{kind: book, key: upc, fields: {t: h1}}]}"), `3:33: routes.a.items[0].key: no field is called "upc"`},
		{"key is a float", route("{items: [{kind: book, key: t, fields: {t: {css: h1, type: float}}}]}"), "3:33: routes.a.items[0].key: the field t cannot be a key: a key is one string, int or url"},
		{"key is a list", route("{items: [{kind: book, key: t, fields: {t: {css: h1, list: true}}}]}"), "3:33: routes.a.items[0].key: the field t cannot be a key: a key is one string, int or url"},
		{"key is a count", route("{items: [{kind: book, key: t, fields: {t: {css: h1, count: true}}}]}"), "3:33: routes.a.items[0].key: the field t cannot be a key: a key is one string, int or url"},
		{"two without keys", route("{items: [{kind: book, fields: {t: h1}}, {kind: book, each: p, fields: {t: b}}]}"), "3:46: routes.a.items[1]: a second book without a key in this route: the two would be told apart by nothing"},

		// fields
		{"name with a dot", route("{items: [{kind: book, fields: {a.b: h1}}]}"), `3:37: routes.a.items[0].fields: "a.b" is no field name: want letters, digits, '_' and '-'`},
		{"name with a dollar", route("{items: [{kind: book, fields: {$a: h1}}]}"), `3:37: routes.a.items[0].fields: "$a" is no field name: want letters, digits, '_' and '-'`},
		{"reserved name", route("{items: [{kind: book, fields: {_id: h1}}]}"), "3:37: routes.a.items[0].fields: the field name _id is reserved"},
		{"reserved name too", route("{items: [{kind: book, fields: {_meta: h1}}]}"), "3:37: routes.a.items[0].fields: the field name _meta is reserved"},
		{"field is a number", with("5"), "7:14: routes.a.items[0].fields.f: want a mapping (name: value), not a number"},
		{"field is nothing", with(""), "7:14: routes.a.items[0].fields.f: want a mapping (name: value), not nothing"},
		{"bad short form", with("'h1['"), `7:14: routes.a.items[0].fields.f: selector "h1[": expected identifier, found EOF instead`},
		{"unknown type", with("{css: p, type: flot}"), `7:29: routes.a.items[0].fields.f: unknown type "flot": want string, int, float, bool, time, url or html`},
		{"unknown key in field", with("{css: p, regex: x}"), `7:23: routes.a.items[0].fields.f: unknown key "regex": want css, attr, re, type, layout, list, count or required`},
		{"bad expression", with("{css: p, re: '(x'}"), "7:27: routes.a.items[0].fields.f.re: missing closing ): `(x`"},
		{"bad expression over two lines", with(`{css: p, re: "(x\ny"}`), "7:27: routes.a.items[0].fields.f.re: missing closing ): `(x y`"},
		{"bad attribute", with("{css: p, attr: 'a b'}"), `7:29: routes.a.items[0].fields.f.attr: "a b" is no name of an attribute`},
		{"attribute html", with("{css: p, attr: html}"), "7:29: routes.a.items[0].fields.f.attr: write type: html for what is inside the element"},
		{"html of an attribute", with("{css: p, attr: title, type: html}"), "7:29: routes.a.items[0].fields.f.attr: attr does not go with type html, which is what is inside the element"},
		{"required is text", with("{css: p, required: 'true'}"), `7:33: routes.a.items[0].fields.f.required: want true or false, not "true"`},
		{"required bool", with("{css: p, type: bool, required: true}"), "7:45: routes.a.items[0].fields.f.required: required does not go with type bool: it is false if there is no match"},
		{"list of bools", with("{css: p, type: bool, list: true}"), "7:41: routes.a.items[0].fields.f.list: list does not go with type bool, which says whether there is a match"},
		{"count of attributes", with("{css: p, attr: id, count: true}"), "7:29: routes.a.items[0].fields.f.attr: attr does not go with count, which counts the elements that match css"},
		{"count of nothing", with("{count: true}"), "7:14: routes.a.items[0].fields.f: count needs css: what is to be counted"},
		{"layout of text", with("{css: p, layout: '2006'}"), "7:31: routes.a.items[0].fields.f.layout: layout is for type time, not for string"},
		{"layout of others", with("{css: p, type: time, layout: YYYY-MM-DD}"), `7:43: routes.a.items[0].fields.f.layout: "YYYY-MM-DD" names no part of a time: write 2 January 2006, 15:04:05 in the form that the page has`},

		// revisit
		{"bad revisit", set("revisit: {min: soon}"), `3:16: revisit.min: "soon": want a duration such as 90s, 1h30m or 30d`},
		{"revisit backwards", set("revisit: {min: 2d, max: 1d12h}"), "3:25: revisit.max: max (36h0m0s) is less than min (48h0m0s)"},
		{"bad budget", set("revisit: {budget: 10000}"), `3:19: revisit.budget: "10000": want a rate such as 10000/d, of fetches a s, m, h or d, or unlimited`},
		{"unknown key in revisit", set("revisit: {evry: 1h}"), `3:11: revisit: unknown key "evry": want budget, new_share, min, max, objective, every, cron, signature, ignore, history, feed, track_links or rules`},
		{"two clocks", set("revisit: {every: 1h, cron: '0 4 * * *'}"), "3:18: revisit.every: every and cron exclude each other"},
		{"bad cron", set("revisit: {cron: daily}"), `3:17: revisit.cron: "daily": expected exactly 5 fields, found 1: [daily]`},
		{"bad signature", set("revisit: {signature: md5}"), `3:22: revisit.signature: "md5": want main, text, letters, bytes, selector:CSS or item`},
		{"bad pattern", set("revisit: {ignore: ['(']}"), `3:20: revisit.ignore[0]: ignore pattern "(": error parsing regexp: missing closing ): ` + "`(`"},
		{"revisit of no route", set("revisit: {rules: [{route: b, never: true}]}"), `3:27: revisit.rules[0].route: unknown route "b": want a`},
		{"bad weight", set("revisit: {rules: [{weight: heavy}]}"), `3:28: revisit.rules[0].weight: "heavy": want low, normal, high or a number such as 2.5`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := declare.Parse("x.yaml", []byte(c.src))
			var e *declare.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if got := e.Summary(); got != "x.yaml:"+c.want {
				t.Errorf("got\n%s\nwant\n%s", got, "x.yaml:"+c.want)
			}
		})
	}
}
