// Package testsite serves webs on loopback to crawl in tests, and counts who fetched what.
//
// A [Site] is synthetic: it is made from a seed, so two sites of one [Config] are the same to the byte but for
// the port. Its hosts are 127.0.0.1, 127.0.0.2 and so on, all on one port. Every page can be reached from the
// root of its host, and a page's links hold what a crawler must see through: fragments, queries in another order,
// the same target again, other hosts. What a crawl should find is in [Site.Items], what it did in [Site.Report].
//
//	site := testsite.Start(t, testsite.Config{Pages: 5000, Hosts: 10})
//	crawl(site.Roots())
//	if err := site.Report().Complete(); err != nil {
//		t.Error(err)
//	}
//
// Crawlers in other processes are watched in the same way, or through control paths that every host answers and
// that are not counted: /_stats (the report), /_items (JSON lines), /_seeds (the roots, one a line), /_reset.
// The command in cmd/testsite serves a site for them.
//
// A [Tree] serves a folder of files as a web server does that knows nothing of charsets; [Docs] finds the folders of
// real documentation that scripts/docs.sh unpacks.
package testsite
