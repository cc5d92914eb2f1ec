// Package websub is the subscriber's part of WebSub (W3C Recommendation, 23 January 2018; formerly PubSubHubbub): a hub tells it
// when a feed has changed, so that nobody needs to look.
//
//	found, ok := websub.Discover(header, body)        // section 4: which hub, and which topic
//	form := subscriber.Form(topic, 24*time.Hour)      // section 5.1: what to POST to the hub
//	http.ListenAndServe(addr, subscriber)             // sections 5.3 and 7: what the hub sends then
//
// A [Subscriber] keeps no state: what it needs to know of a topic is in the URL that the hub calls, and sealed with a key that
// all processes of a fleet share. So any of them may be called, whichever has subscribed, and nobody who does not know the key can make up a
// callback, confirm a subscription that was not asked for or deliver anything.
package websub
