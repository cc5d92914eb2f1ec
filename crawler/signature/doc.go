// Package signature says whether the content of a page changed: it reduces a page to 64 bits that stay the same
// while only what surrounds the content does.
//
//	o, err := signature.Parse("main", []string{`Updated \d+ minutes ago`})
//	sig, err := o.Of(page.Body)
//
// Raw bytes are useless for that: of twice-daily fetches of 19 real pages over three years half differ in bytes, and
// 0.3 % in content. The default, "main", caught 95 % of the real changes there and raised a false alarm in 0.8 % of the
// fetches: the text of the main part with its digits, and the paths of its links without query and fragment.
//
// # Methods
//
//	main           the default: text of <main> or <article>, or of the page without its frame, and the paths of its links
//	text           all visible text, entities decoded, white space collapsed
//	letters        the letters of the text of main alone: for pages whose digits are a clock
//	bytes          the bytes: for JSON, feeds, files
//	selector:CSS   text and link paths of the elements that match
//	item           the items that were extracted, hashed by [Item]: the best there is, where there are items
//
// Text that matches an ignore pattern is taken out before it is hashed.
//
// # Pages that are never the same
//
// A page whose signature changes on nine visits of ten, less than an hour apart, is fetched twice at once ([Noise]). If the
// two differ it is noisy, and is compared by its [Blocks]: it changed when a paragraph appeared that it did not have.
//
// # Pages that are not there
//
// A host that answers 200 to anything shows the same page for a URL that cannot exist: [ProbePath] is such a URL, and a page whose
// blocks are those of its answer is a soft 404 ([Blocks.Same]). [Walls] knows the signatures that take the place of many pages
// at once: a login, a captcha.
package signature
