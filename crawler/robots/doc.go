// Package robots reads robots.txt and says what it allows, after RFC 9309.
//
// A file is parsed once a host, by [Parse], which accepts whatever a web server may send: it never fails, it
// reads at most [MaxSize] bytes, and it forgives what Google's parser forgives (byte order marks, missing
// colons, "dissallow", any mixture of CR and LF). [FromStatus] turns the whole answer of the server into
// rules, errors included. [Rules.Agent] then picks what concerns one crawler, once, and [Group.Allowed]
// answers for each URL:
//
//	rules := robots.FromStatus(status, body)
//	group := rules.Agent(robots.Product("lycosa/1.0 (+https://example.org/bot)"))
//	if !group.Allowed(url) { ... }
//
// The longest matching rule wins, Allow wins a tie, "*" stands for any characters and a final "$" for the
// end of the URL. A crawler that is named in several groups obeys all of them; one that is named in none
// obeys the groups of "*". /robots.txt itself is always allowed.
//
// # Escapes
//
// Google compares a rule with the URL as both are written, once upper case is given to escapes and non-ASCII
// octets are escaped in the rule; RFC 9309 section 2.2.2 decodes unreserved characters first, so that
// /%7Ejoe/ is /~joe/. The two disagree, and the stricter reading is taken: an Allow rule must match as
// written, a Disallow rule matches in either reading. So bringing a URL into canonical form never makes it
// slip past a rule.
package robots
