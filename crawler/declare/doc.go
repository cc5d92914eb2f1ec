// Package declare reads spiders written in YAML.
//
//	name: books
//	start: [https://books.toscrape.com/]
//	route: listing                  # of the start URLs; default: the first route
//	scope: {type: host}             # page, prefix, host, domain or any; include: [globs], exclude: [globs]
//	settings: {delay: 1s, max_depth: 20}
//	routes:
//	  listing:
//	    follow:
//	      - {css: "li.next a", route: listing}
//	      - {css: "article.product_pod h3 a", route: detail}
//	  detail:
//	    items:
//	      - kind: book
//	        key: upc
//	        fields:
//	          upc:   {css: "th:contains(UPC) + td", required: true}
//	          title: h1
//	          price: {css: .price_color, re: '[\d.]+', type: float}
//
// # Routes
//
// A route has items, which are emitted first, and links, which are followed then. An entry of follow has css,
// default all a and area elements, and route, default the route it stands in. If an item cannot be read, its page
// becomes a dead letter with the reason, and neither the page's other items nor its links are taken.
//
// # Items
//
//	kind     what it is: the collection in MongoDB
//	each     one item for each element that matches; the fields are read inside it. Default: one for the page
//	key      the field that identifies an item: a string, int or url, and required by that. Default: the page's
//	         canonical URL; with each, the URL with "#1" for the first element, "#2" for the second and so on
//	fields   what is read, and in which order it is stored
//
// A field is a mapping of what follows, or a selector alone:
//
//	css      where: the first match counts. Default: the element of each, or the whole page
//	attr     what: an attribute. Default: the text, white space collapsed
//	re       which part: the first group of the first match, or the whole match
//	type     string (default), int, float, bool, time, url (made absolute) or html (what is inside the element)
//	layout   how a time is written, in the manner of Go: "2 Jan 2006". Default: the common forms
//	list     true: of all matches, not of the first alone
//	count    true: how many elements match css
//	required true: see below
//
// They mean what the struct tags of package crawler mean; see [crawler.One]. A field for which there is no match, or
// no text in it, is left out of the item. A list is empty then, a count 0, and a bool, which says whether there is
// a match, false: these three are always there. Text that does not convert to its type makes a dead letter of
// the page.
//
// A required field that is missing makes a dead letter of the page as well, with [crawler.FieldError]. Not so with each:
// there the element is passed over, because lists are full of rows that are none (headings, advertisements). But
// if elements match and not one of them has all that is required, the site has changed, and the page becomes a
// dead letter. A page that is no HTML has no items; if one without each requires a field, it becomes a dead
// letter.
//
// # Sitemaps
//
// sitemaps lists sitemaps and feeds whose pages are followed too. An entry has url, or from: robots for those that robots.txt
// names; route, default that of the start URLs; and include, globs on the URLs that it takes:
//
//	sitemaps:
//	  - {from: robots, route: topic, include: ["*/topics/*"]}
//	  - {from: robots, route: article}
//	  - {url: https://news.example/feed.xml, route: article}
//
// See [crawler.Sitemap]. Rules of revisit may name their route, "@sitemap".
//
// # Revisits
//
// With revisit the crawl comes again to its pages, each when it is worth it:
//
//	revisit:
//	  budget: 10000/d        # of fetches a s, m, h or d; default unlimited
//	  min: 1h                # shortest interval; default 1m
//	  max: 180d              # longest; default 90d, and at least six rounds of the budget
//	  objective: freshness   # or staleness: never gives up on a page
//	  signature: main        # what is compared: text, letters, bytes, selector:CSS or item
//	  ignore: ['Updated \d+ minutes ago']
//	  history: 10            # revisions of an item that are kept; 0: none
//	  feed: true             # of what is new, changed, gone and back
//	  rules:                 # the first that matches a page counts
//	    - {match: "*/archive/*", never: true}
//	    - {route: listing, weight: high}
//	    - {route: terms, every: 7d}
//	    - {route: prices, cron: "0 6 * * *"}
//
// new_share is the part of the budget that is kept for new pages, every and cron are plain clocks for all pages. See
// [crawler.Revisit] and package revisit.
//
// # Settings
//
// settings has delay, concurrency, per_host, max_depth, max_pages, max_attempts, retry_delay, timeout, lease, max_body,
// max_redirects, duplicates (off, exact or near), obey_robots, user_agent and allow_private; canonical has drop_params, keep_params, drop_tracking,
// drop_sessions, drop_path_sessions, fold_path_case, trailing_slash (keep, remove or add), unsorted, keep_fragment,
// max_length, canonical_bodies, fingerprint_headers and fingerprint (lycosa, scrapy, scrapy-redis or scrapy-old); params
// has names and defaults. They mean what
// [crawler.Settings], [dedup.Rules] and the Params of [crawler.Spider] mean. A duration is written 500ms, 1h30m
// or 30d; a size 65536, 10MB or 10MiB.
//
// # Errors
//
// Whatever is wrong with a file is a [*Error] that names the place by line and column and shows it. Files have at most
// 1 MiB. Anchors and aliases may be used within the bounds of sense; merge keys, tags and several documents may not.
package declare
