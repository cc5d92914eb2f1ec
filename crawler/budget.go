package crawler

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/signature"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// The sums of a crawl that comes again, as the frontier's ledger keeps them for each host and for the crawl. The order is what
// is stored: new ones are appended.
const (
	sumPlanned   = iota // planned visits a day: Σ Plan.Rate
	sumPages            // known pages: those with a record
	sumRoots            // Σ √weight of the pages
	sumKin              // pages that were looked at, for revisit.Kin
	sumKinLog           // Σ ln rate
	sumKinSquare        // Σ (ln rate)²
	sumFirst            // first looks
	sumOnce             // tasks that were done and left no record
	sumLooks            // looks at known pages
	sumUnplanned        // visits that hints brought forward, in parts of a planned one: see revisit.Control.Unplanned
	sumHintRight        // for revisit.Hints
	sumHintWrong
	sumHintMissed
	sumHintFresh
	sumDateTrue // for revisit.Modified
	sumDateFalse
	sumHonest // for revisit.Honesty
	sumLies
	sumDeferred // pages never fetched that wait for their share of the budget
	sumCount
)

type sums [sumCount]float64

func (s *sums) add(t *sums) {
	for i := range s {
		s[i] += t[i]
	}
}

// replace counts that the record of a page changed; a zero record stands for a page that is not known.
func (s *sums) replace(before, after revisit.Record) {
	s[sumPlanned] += after.Plan.Rate() - before.Plan.Rate()
	if before != (revisit.Record{}) {
		s[sumPages]--
		s[sumRoots] -= math.Sqrt(before.Weight.Float())
	}
	if after != (revisit.Record{}) {
		s[sumPages]++
		s[sumRoots] += math.Sqrt(after.Weight.Float())
	}
	kin := revisit.Kin{}.Replace(before, after)
	s[sumKin] += float64(kin.Pages)
	s[sumKinLog] += kin.Sum
	s[sumKinSquare] += kin.Squares
}

func (s *sums) kin() revisit.Kin {
	return revisit.Kin{Pages: int64(s[sumKin]), Sum: s[sumKinLog], Squares: s[sumKinSquare]}
}

func (s *sums) hints() revisit.Hints {
	return revisit.Hints{Right: s[sumHintRight], Wrong: s[sumHintWrong], Missed: s[sumHintMissed], Fresh: s[sumHintFresh]}
}

func (s *sums) dates() revisit.Modified {
	return revisit.Modified{True: s[sumDateTrue], False: s[sumDateFalse]}
}

func (s *sums) honesty() revisit.Honesty {
	return revisit.Honesty{Honest: int64(s[sumHonest]), Lies: int64(s[sumLies])}
}

func sumsOf(stored []float64) (s sums) {
	copy(s[:], stored)
	return s
}

const (
	priceTick   = 30 * time.Second // the price of a fetch is stepped that often, by whoever comes first
	hostTick    = time.Minute      // what is known of a host is that old at most
	forEver     = 100 * 366 * 24 * time.Hour
	priceName   = "revisit"      // of the memos
	regrown     = 1.1            // as many more pages ask for another price at once
	maxHosts    = 10_000         // remembered by one worker
	maxNoisy    = 10_000         // pages, likewise
	arrivalTime = 24 * time.Hour // over which the arrival of new pages is averaged
)

// price is what the fleet shares of the budget: the multiplier and what goes with it. Whoever finds it older than
// priceTick steps it. Two who do so at once come to the same.
type price struct {
	Theta     float64   `json:"theta"`
	Extra     float64   `json:"extra"`
	Rooted    int64     `json:"rooted"`
	Start     float64   `json:"start"`
	Fetched   float64   `json:"fetched"` // pages whose weights Start knows of
	Began     time.Time `json:"began"`
	Stepped   time.Time `json:"stepped"`
	Unplanned float64   `json:"unplanned"` // of the sums, as far as it is in Extra
	First     float64   `json:"first"`     // of the sums, when it was stepped
	Arriving  float64   `json:"arriving"`  // new pages a day
	Credit    float64   `json:"credit"`    // pages never fetched that the budget had left when it was stepped
	Counted   float64   `json:"counted"`   // of the sums, as far as it is in Credit
	// Policy is that of the worker who stepped it last, as revisit.Parse reads it: for those who ask how the crawl stands.
	Policy map[string]string `json:"policy"`
}

// hostPrice is what the fleet shares of a host's factor.
type hostPrice struct {
	// Price is the crawl's, times the factor, when it was stepped. It is what a host is steered by: the crawl's own may move faster.
	Price   float64   `json:"price"`
	Factor  float64   `json:"factor"`
	Start   float64   `json:"start"`
	Rooted  int64     `json:"rooted"`
	Stepped time.Time `json:"stepped"`
	Limit   float64   `json:"limit"` // fetches a day that the host's delay allows
}

// budget steers how often the pages of a crawl are visited: it holds what this worker knows of the fleet's sums and
// prices.
type budget struct {
	policy   revisit.Policy
	frontier scheduler.Frontier
	ledger   scheduler.Ledger
	memo     scheduler.Memo
	insist   func(ctx context.Context, do func() error) error
	delay    func(host string) time.Duration // between two requests
	log      *slog.Logger

	reading sync.Mutex // held while the crawl's sums are read

	mu     sync.Mutex // guards the fields below
	price  price
	total  sums
	known  float64 // pages that are known or will be, from what was pushed
	read   time.Time
	hosts  map[string]*hostBudget
	noises map[uint64]*signature.Noise
	misfit bool // was told of
	trying int  // pages never fetched that are under way, and not in the sums yet
}

// hostBudget is what this worker knows of a host.
type hostBudget struct {
	reading sync.Mutex // held while the host's sums are read

	// Guarded by budget.mu.
	sums    sums
	price   hostPrice
	read    time.Time
	limit   float64 // fetches a day; 0: none
	weather revisit.Weather
	walls   signature.Walls
}

func newBudget(p revisit.Policy, f scheduler.Frontier, insist func(context.Context, func() error) error, delay func(string) time.Duration, log *slog.Logger) (*budget, error) {
	ledger, sums := f.(scheduler.Ledger)
	memo, memos := f.(scheduler.Memo)
	if !sums || !memos {
		return nil, errors.New("crawler: the frontier keeps neither sums nor memos: a crawl that comes again needs both")
	}
	return &budget{
		policy: p, frontier: f, ledger: ledger, memo: memo, insist: insist, delay: delay, log: log,
		hosts: make(map[string]*hostBudget), noises: make(map[uint64]*signature.Noise),
	}, nil
}

// control returns the state of the multiplier. b.mu is held.
func (b *budget) control() revisit.Control {
	return revisit.Control{
		Theta: b.price.Theta, Sum: b.total[sumPlanned], Extra: b.price.Extra,
		Pages: int64(max(b.total[sumPages], b.known, 1)), Budget: b.policy.ForRevisits(b.price.Arriving),
		Rooted: b.price.Rooted, Start: b.price.Start,
	}
}

// terms returns what the plan of a page of the host depends on. It reads what is too old.
func (b *budget) terms(ctx context.Context, host string, now time.Time) (revisit.Terms, *hostBudget, error) {
	if err := b.refresh(ctx, now); err != nil {
		return revisit.Terms{}, nil, err
	}
	h, err := b.host(ctx, host, now)
	if err != nil {
		return revisit.Terms{}, nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c, own := b.control(), h.control()
	round := c.Round()
	kin, hints := h.sums.kin(), h.sums.hints()
	t := revisit.Terms{
		Theta: c.Theta * own.Multiplier(), Round: round, HostRound: own.Round(), Age: max(now.Sub(b.price.Began), 0),
		Recall: hints.Recall(),
	}
	days := round.Hours() / 24
	if round <= 0 {
		days = 1
	}
	t.Prior = kin.Prior(days)
	return t, h, nil
}

func (h *hostBudget) control() revisit.HostControl {
	return revisit.HostControl{
		Factor: h.price.Factor, Sum: h.sums[sumPlanned], Limit: h.limit, Pages: int64(h.sums[sumPages]), Start: h.price.Start,
	}
}

// count adds to what this worker knows of the sums, which the fleet learns with the finish.
func (b *budget) count(h *hostBudget, s *sums) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total.add(s)
	if h != nil {
		h.sums.add(s)
	}
}

// refresh reads the crawl's sums and price where they are too old, and steps the price if nobody did.
func (b *budget) refresh(ctx context.Context, now time.Time) error {
	if b.current(now) {
		return nil
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.current(now) { // another visit has read meanwhile
		return nil
	}
	var p price
	var total sums
	var stats scheduler.Stats
	err := b.insist(ctx, func() error {
		stored, err := b.ledger.Sums(ctx, "")
		if err == nil {
			total = sumsOf(stored)
			stats, err = b.frontier.Stats(ctx)
		}
		if err == nil {
			_, err = b.load(ctx, wholeCrawl, &p)
		}
		return err
	})
	if err != nil {
		return err
	}
	if p.Began.IsZero() {
		p.Began, p.Stepped = now, now
	}
	was := p
	if p.Credit == 0 && p.Counted == 0 {
		p.Credit, p.Counted = float64(b.policy.Budget), fetchedFirst(&total)
	}
	p.Policy = b.policy.Fields()
	b.mu.Lock()
	b.price, b.total, b.read = p, total, now
	b.known = expectedPages(&total, stats)
	c := b.control()
	root := 1.0 // what a page of which nothing is known weighs
	if pages := b.total[sumPages]; pages > 0 {
		root = b.total[sumRoots] / pages
	}
	if b.outgrown() {
		c.Rooted, b.price.Fetched = 0, b.total[sumPages]
	}
	grown := c.Grown(b.policy.Objective, root)
	dt := now.Sub(p.Stepped)
	due := dt >= priceTick
	if due {
		b.price.Credit, b.price.Counted = b.credit(now), fetchedFirst(&b.total)
		b.arrivals(dt)
		grown.Budget = b.policy.ForRevisits(b.price.Arriving)
		grown.Extra += unplanned(b.total[sumUnplanned]-b.price.Unplanned, grown.Round())
		grown = grown.Step(dt)
		b.price.Stepped, b.price.Unplanned = now, b.total[sumUnplanned]
	}
	b.price.Theta, b.price.Extra, b.price.Rooted, b.price.Start = grown.Theta, grown.Extra, grown.Rooted, grown.Start
	saved := b.price
	changed := due || saved.Theta != was.Theta || saved.Rooted != was.Rooted || len(was.Policy) == 0
	b.fits(grown.Pages)
	b.mu.Unlock()
	if !changed {
		return nil
	}
	return b.insist(ctx, func() error { return b.save(ctx, wholeCrawl, saved) })
}

// current reports whether the crawl's sums were read lately, and are about as large as they were.
func (b *budget) current(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.read.IsZero() && now.Sub(b.read) < priceTick && !b.outgrown()
}

// outgrown reports whether so many more pages were fetched that the price must be set anew. b.mu is held.
func (b *budget) outgrown() bool {
	return b.policy.Budget > 0 && b.total[sumPages] > regrown*b.price.Fetched
}

// expectedPages is how many pages there will be when all that was pushed is done, if the rest is as what was done.
func expectedPages(total *sums, stats scheduler.Stats) float64 {
	done := total[sumFirst] + total[sumOnce]
	share := 1.0
	if done > 0 {
		share = total[sumFirst] / done
	}
	return total[sumPages] + share*max(float64(stats.Seen)-done, 0)
}

// fetchedFirst is how many pages were fetched that had not been before.
func fetchedFirst(s *sums) float64 { return s[sumFirst] + s[sumOnce] }

// credit is how many pages never fetched the budget has left, at most those of a day. Nor does it ever owe more than a day: what
// was fetched without a budget, or as start URLs, is not to be paid back for weeks. b.mu is held.
func (b *budget) credit(now time.Time) float64 {
	days := max(now.Sub(b.price.Stepped), 0).Hours() / 24
	left := b.price.Credit + days*b.policy.ForNew(b.total[sumPlanned]) - (fetchedFirst(&b.total) - b.price.Counted)
	most := float64(b.policy.Budget)
	return max(min(left, most), -most)
}

// longestDeferral bounds how far ahead pages are put off.
const longestDeferral = 366 * 24 * time.Hour

// admit takes a page that was never fetched out of the budget, and returns zero. If nothing is left, it returns when the page's turn is:
// behind all others that wait for theirs, or somewhere among them if it has waited. Workers do not know of each other's at once, so
// too many may come at one time; then some wait once more. Who was admitted is told of by admitted.
func (b *budget) admit(now time.Time, waited bool) (turn time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	daily := b.policy.ForNew(b.total[sumPlanned])
	left, slack := b.credit(now)-float64(b.trying), 0.0
	if waited {
		slack = 1 + daily/24
	}
	if left+slack >= 1 {
		b.trying++
		return time.Time{}
	}
	ahead, others := 1-left, max(b.total[sumDeferred], 0)
	if waited {
		others *= rand.Float64() //nolint:gosec // somewhere among them
	}
	ahead += others
	wait := 24 * time.Hour
	if daily > 0 {
		wait = time.Duration(min(ahead/daily*float64(wait), float64(longestDeferral)))
	}
	return now.Add(wait)
}

// admitted says that the visit of a page that was admitted is over.
func (b *budget) admitted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying--
}

// arrivals averages how many new pages come a day. b.mu is held.
func (b *budget) arrivals(dt time.Duration) {
	came := (b.total[sumFirst] - b.price.First) / dt.Hours() * 24
	share := 1 - math.Exp(-float64(dt)/float64(arrivalTime))
	b.price.Arriving += share * (max(came, 0) - b.price.Arriving)
	b.price.First = b.total[sumFirst]
}

// unplanned is what visits that were not planned cost a day, for a round to come.
func unplanned(visits float64, round time.Duration) float64 {
	if round <= 0 {
		return 0
	}
	return visits / (round.Hours() / 24)
}

// fits tells the operator, once, of a maximum that turns the crawl into round-robin. b.mu is held.
func (b *budget) fits(pages int64) {
	err := b.policy.Fits(pages)
	if err != nil && !b.misfit {
		b.log.Warn("revisits: " + err.Error())
	}
	b.misfit = err != nil
}

// host returns what is known of a host, and reads it where it is too old.
func (b *budget) host(ctx context.Context, name string, now time.Time) (*hostBudget, error) {
	h, fresh := b.lookUp(name, now)
	if fresh {
		return h, nil
	}
	h.reading.Lock()
	defer h.reading.Unlock()
	if _, fresh = b.lookUp(name, now); fresh {
		return h, nil
	}
	limit := 0.0
	if d := b.delay(name); d > 0 {
		limit = float64(24*time.Hour) / float64(d)
	}
	var total sums
	var p hostPrice
	err := b.insist(ctx, func() error {
		stored, err := b.ledger.Sums(ctx, name)
		if err == nil && limit > 0 {
			_, err = b.load(ctx, name, &p)
		}
		total = sumsOf(stored)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	h.sums, h.price, h.limit, h.read = total, p, limit, now
	if limit == 0 {
		b.mu.Unlock()
		return h, nil
	}
	c := b.control()
	if p.Factor > 1 && c.Theta > 0 {
		h.price.Factor = max(1, p.Price/c.Theta)
	}
	own := h.control()
	if p.Rooted != c.Rooted {
		own = own.Grown(b.policy.Objective, c, total[sumRoots]/max(total[sumPages], 1))
	}
	dt := now.Sub(p.Stepped)
	if p.Stepped.IsZero() {
		dt = 0
	}
	own = own.Step(dt, c.Round())
	h.price = hostPrice{Price: c.Theta * own.Multiplier(), Factor: own.Factor, Start: own.Start, Rooted: c.Rooted, Stepped: now, Limit: limit}
	saved := h.price
	b.mu.Unlock()
	return h, b.insist(ctx, func() error { return b.save(ctx, name, saved) })
}

func (b *budget) lookUp(name string, now time.Time) (h *hostBudget, fresh bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h = b.hosts[name]
	if h == nil {
		makeRoom(b.hosts, maxHosts)
		h = &hostBudget{}
		b.hosts[name] = h
	}
	return h, !h.read.IsZero() && now.Sub(h.read) < hostTick
}

// makeRoom drops entries, by chance, until there is room for one more.
func makeRoom[K comparable, V any](m map[K]V, most int) {
	for k := range m {
		if len(m) < most {
			return
		}
		delete(m, k)
	}
}

// wholeCrawl stands for the crawl where memos are kept by host. No host is called that.
const wholeCrawl = "."

func (b *budget) load(ctx context.Context, host string, into any) (bool, error) {
	value, ok, err := b.memo.Load(ctx, host, priceName)
	if err != nil || !ok {
		return false, err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return false, nil //nolint:nilerr // of another version: it is found anew
	}
	return true, nil
}

func (b *budget) save(ctx context.Context, host string, from any) error {
	value, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return b.memo.Save(ctx, host, priceName, value, forEver)
}

// weather takes in what a visit showed, and tells whether the host denies all, or has a new template.
func (b *budget) weather(h *hostBudget, changed, refused bool, now time.Time) (denies, redeployed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h.weather = h.weather.Add(changed, refused, now)
	return h.weather.Denies(now), h.weather.Redeployed(now)
}

// wall reports whether a page shows what many others of its host came to show, too.
func (b *budget) wall(h *hostBudget, page, before, now uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return h.walls.Add(page, before, now)
}

// noise counts a visit of a page, and reports whether it is to be fetched twice to see if it is ever the same.
func (b *budget) noise(page uint64, changed bool, gap time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.noises[page]
	if n == nil {
		if !changed || gap >= time.Hour { // such a page is far from it
			return false
		}
		makeRoom(b.noises, maxNoisy)
		n = &signature.Noise{}
		b.noises[page] = n
	}
	return n.Add(changed, gap)
}

// knownOf returns a copy of a host's sums.
func (b *budget) knownOf(h *hostBudget) sums {
	b.mu.Lock()
	defer b.mu.Unlock()
	return h.sums
}
