// Package sitemap reads sitemaps and feeds: where a site lists its pages, and says when they changed.
//
//	for entry, err := range sitemap.Read("https://shop.example/sitemap.xml", body, "") {
//		if err != nil {
//			return err // what came before is good
//		}
//		fmt.Println(entry.Kind, entry.Loc, entry.LastMod)
//	}
//
// It reads XML sitemaps and indexes of sitemaps (sitemaps.org, protocol 0.9), sitemaps in plain text, and feeds: RSS 0.9x, 1.0
// and 2.0, Atom 1.0 (RFC 4287) and JSON Feed 1.x. What a document is, is told by its content: the types that servers declare are
// wrong too often. Each may be compressed with gzip. The charset is the one that is passed, else what a byte order mark or the
// XML declaration says, else UTF-8.
//
// # What is tolerated
//
// The web's sitemaps are written by people. Bare ampersands, characters that XML forbids, white space around and within
// elements, several loc in one url, a loc within a loc, an url without any loc but with text, missing end tags and a document that
// was cut off are all read for what they say. A date that cannot be read is no date: see [ParseTime].
//
// # Namespaces
//
// The namespace of the root element, whichever it is, or none, is that of the document: many sitemaps have the one of Google
// (2005), or a misspelt one. Elements of any other namespace are extensions (images, videos, news, alternate languages)
// and are passed over with all that is in them, so that the address of an image is not taken for that of a page.
//
// # Entities
//
// No entity is ever resolved but the five of XML and references to characters: there are no external entities (XXE), no
// XInclude and no expansion. What a document type declares is passed over, and a loc that refers to it is left out. The rest of
// such a document is read.
//
// # Bounds
//
// The protocol allows 50,000 entries and 50 MiB. Here it is 200,000 entries ([MaxEntries]) and 64 MiB ([MaxSize]) decompressed;
// of feeds, which are built in memory, 16 MiB. A document that goes on is read up to there, and ends with [ErrTooLarge]. Elements nest
// no deeper than 64, a tag, comment or text has no more than 4 MiB, a loc no more than 16 KiB.
package sitemap
