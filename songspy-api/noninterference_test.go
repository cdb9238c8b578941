package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/command"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-domain/visibility"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
)

// Noninterference: two worlds that differ only in what a viewer may not see give that
// viewer the same bytes. A world is a database, with the whole API on it. Package visibility
// decides what a viewer may see, and has its own tests. In this test, it also decides whether
// two worlds differ for a viewer. If they do not, the answers of the API must not differ either.

var (
	noninterferencePairs = flag.Int("noninterference.pairs", 2000, "how many pairs of worlds, each with a viewer, to compare")
	noninterferenceSeed  = flag.Uint64("noninterference.seed", 0, "the seed of the worlds; 0 chooses one")
)

const (
	usersPerWorld = 24
	// pairsPerPast is how many pairs of worlds begin with the same past, which is a database.
	pairsPerPast = 8
	// turnsPerUser is how many turns a user has in a pair of worlds, each with the share
	// link of a random user.
	turnsPerUser = 2
	// differentMax limits how many of the viewers who may see the difference send requests, and
	// differentPerPair limits how many of one pair of worlds do. The viewers of a pair often
	// notice the difference all or not at all. So the viewers of two pairs alone would say
	// little: with one seed, 11 of 60 noticed it.
	differentMax, differentPerPair = 60, 6
	// settleTime is how long a change takes until the board has it.
	settleTime = 200 * time.Millisecond
	// afterTick makes requests, which would begin and end at multiples of settleTime, fall
	// between two ticks of the boards (when these make the frames of streams). At the
	// instant of a tick, a stream may begin before the tick in one world and after it in
	// the other, even if the worlds are equal.
	afterTick = 7 * time.Millisecond
	// turnMax is longer than the turn of one viewer.
	turnMax = 10 * time.Minute
)

func TestNoninterference_WhatAViewerMayNotSeeChangesNoByte(t *testing.T) {
	want, seed := *noninterferencePairs, *noninterferenceSeed
	if testing.Short() {
		want = min(want, 20)
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to repeat this: -noninterference.seed=%d", seed)
	operations := contractOperations(t)
	if missing := missingCases(operations); len(missing) > 0 {
		t.Fatalf("noninterferenceCases lacks the operations %q; add requests for each", missing)
	}
	s, migrated := noninterferenceSettings(t)
	var n tally
	for n.same < want && !t.Failed() {
		synctest.Test(t, func(t *testing.T) {
			past := newPast(t, s, migrated, operations, seed+uint64(n.worlds))
			for i := 0; i < pairsPerPast && n.same < want; i++ {
				past.compare(&n)
			}
		})
	}
	t.Logf("%d pairs of worlds, %d compared viewers, %d requests in each world, %d other viewers; %d noticed the difference",
		n.worlds, n.same, n.requests, n.different, n.noticed)
	if n.different == differentMax && n.noticed*2 < n.different {
		t.Error("most viewers who may see the difference do not notice it; the requests show too little")
	}
}

// tally counts the pairs of worlds, the viewers who may see no difference between the two worlds,
// and the requests of these viewers in each world. It also counts the viewers who may see the
// difference, and those of them who notice it: they get different bytes from the two worlds.
type tally struct{ worlds, same, different, noticed, requests int }

// operation is an operation of the contract.
type operation struct {
	method, path string
	takesCookie  bool // the session may come from a cookie
}

func contractOperations(t *testing.T) map[string]operation {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(contract)
	if err != nil {
		t.Fatal(err)
	}
	operations := map[string]operation{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			security := doc.Security
			if o.Security != nil {
				security = *o.Security
			}
			takesCookie := slices.ContainsFunc(security, func(r openapi3.SecurityRequirement) bool { return r["session"] != nil })
			operations[o.OperationID] = operation{method, path, takesCookie}
		}
	}
	return operations
}

func missingCases(operations map[string]operation) (missing []string) {
	for id := range operations {
		if !slices.ContainsFunc(noninterferenceCases, func(c noninterferenceCase) bool { return c.operation == id }) {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return missing
}

func TestNoninterference_ARouteWithoutACaseIsFound(t *testing.T) {
	operations := contractOperations(t)
	operations["newRoute"] = operation{method: "GET", path: "/v1/songspy/new"}
	if missing := missingCases(operations); !slices.Equal(missing, []string{"newRoute"}) {
		t.Errorf("the operations without a case are %q, want newRoute alone", missing)
	}
}

// noninterferenceSettings returns the settings of an API that reaches neither Google nor Spotify,
// and the path of a migrated SQLite file.
func noninterferenceSettings(t *testing.T) (settings, string) {
	t.Helper()
	migrated := storetest.Migrated(t, storetest.SQLite).Path()
	env := environment(t, "sqlite:"+migrated, "http://127.0.0.1:1")
	env["SONGSPY_WRITES_PER_MINUTE"], env["SONGSPY_LINKINGS_PER_MINUTE"], env["SONGSPY_SIGN_INS_PER_MINUTE"] = "0", "0", "0"
	var s settings
	if err := config.Load(&s, env); err != nil {
		t.Fatal(err)
	}
	s, err := s.withKeys()
	if err != nil {
		t.Fatal(err)
	}
	return s, migrated
}

// worldPair is two worlds with the same past. The method diverge then changes one of them.
type worldPair struct {
	t          *testing.T
	r          *rand.Rand
	settings   settings
	past       string // the file of the database that both begin with
	operations map[string]operation
	users      []songspy.User
	tracks     []songspy.PublicID
	changed    []songspy.User // users whose own data may differ
	apis       [2]*service
	stored     [2]*rawWorld // what the databases hold; nil after a write, so that it is read again
	sent       int
	differs    []string // requests whose answers differ
}

func newPast(t *testing.T, s settings, migrated string, operations map[string]operation, seed uint64) *worldPair {
	t.Helper()
	p := &worldPair{
		t: t, r: rand.New(rand.NewPCG(seed, 0)), settings: s, past: filepath.Join(t.TempDir(), "past.db"), operations: operations,
	}
	cryptotest.SetGlobalRandom(t, seed)
	copyFile(t, migrated, p.past)
	db, err := command.OpenStore(t.Context(), p.settingsFor(p.past).Service, slog.New(slog.DiscardHandler))
	p.must(err)
	p.populate(db)
	p.must(db.Close())
	return p
}

func (p *worldPair) settingsFor(path string) settings {
	s := p.settings
	s.Service.DatabaseURL = songspy.Secret("sqlite:" + path)
	return s
}

// compare starts two worlds with the past, lets them diverge, and compares what viewers
// get.
func (p *worldPair) compare(n *tally) {
	n.worlds++
	for i := range p.apis {
		path := filepath.Join(p.t.TempDir(), "songspy.db")
		copyFile(p.t, p.past, path)
		api, err := newService(p.t.Context(), p.settingsFor(path), slog.New(slog.DiscardHandler))
		p.must(err)
		p.apis[i], p.stored[i] = api, nil
		ctx, stop := context.WithCancel(p.t.Context())
		ended := make(chan struct{})
		go func() { api.board.Run(ctx); close(ended) }()
		defer func() { stop(); <-ended; api.close() }()
	}
	<-time.After(settleTime + afterTick)
	p.diverge()
	p.run(n)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (p *worldPair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *worldPair) once(in int) bool { return p.r.IntN(in) == 0 }

func pickOne[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

var worldTracks = []songspy.Track{
	{URI: "spotify:track:0000000000000000000001", Kind: songspy.KindTrack, Title: "One", Artists: "Ann, Bea", DurationMS: 180_000, ArtistRefs: []songspy.Artist{{URI: artistURI, Name: "Ann"}, {URI: "spotify:artist:0000000000000000000002", Name: "Bea"}}},
	{URI: "spotify:track:0000000000000000000002", Kind: songspy.KindTrack, Title: "Two", Artists: "Bea", DurationMS: 240_000, ArtistRefs: []songspy.Artist{{URI: "spotify:artist:0000000000000000000002", Name: "Bea"}}, AlbumRef: songspy.Album{URI: "spotify:album:0000000000000000000001", Name: "Album"}},
	{URI: "spotify:track:0000000000000000000003", Kind: songspy.KindTrack, Title: "Three", Artists: "Cid", DurationMS: 200_000},
	{URI: "spotify:episode:0000000000000000000001", Kind: songspy.KindEpisode, Title: "Episode", Artists: "Show", DurationMS: 1_800_000},
	{URI: "spotify:local:A:B:Tape:180", Kind: songspy.KindLocal, Title: "Tape", Artists: "A", DurationMS: 180_000},
}

var hideableURIs = []string{artistURI, "spotify:artist:0000000000000000000002", worldTracks[0].URI, worldTracks[1].URI}

// populate builds the past that both worlds have.
func (p *worldPair) populate(db *store.Store) {
	ctx := p.t.Context()
	for i := range usersPerWorld {
		u, _, err := db.SignIn(ctx, songspy.GoogleProfile{
			Subject: fmt.Sprint("subject ", i), Name: fmt.Sprint("Google name ", i), PictureURL: fmt.Sprintf("http://127.0.0.1:1/portraits/%d.png", i),
		}, pickOne(p.r, songspy.AudienceEveryone, songspy.AudienceFollowers, songspy.AudienceLink, songspy.AudienceNobody))
		p.must(err)
		u, err = db.UpdateUser(ctx, u.ID, func(u *songspy.User) error {
			nick := fmt.Sprint("nick ", i)
			u.NickName, u.ShowPicture = &nick, p.once(2)
			return nil
		})
		p.must(err)
		p.users = append(p.users, u)
		p.createSession(db, u.ID, cookieOf(u))
		_, err = db.SaveShareLink(ctx, u.ID, attempt.Hash(linkOf(u)))
		p.must(err)
		_, err = db.CreateEmbedToken(ctx, songspy.EmbedToken{UserID: u.ID, Purpose: songspy.EmbedImage, Hash: attempt.Hash(linkOf(u))})
		p.must(err)
		_, err = db.CreateEmbedToken(ctx, songspy.EmbedToken{UserID: u.ID, Purpose: songspy.EmbedOverlay, Hash: attempt.Hash("overlay-" + linkOf(u))})
		p.must(err)
		p.link(db, u.ID)
	}
	for _, u := range p.users {
		for range p.r.IntN(3) {
			p.step(db, u.ID)
			<-time.After(time.Duration(p.r.IntN(120)) * time.Second)
		}
		if p.once(2) { // half of the users share nothing with strangers, so that differences often stay hidden
			p.share(db, u.ID, true)
		}
	}
	for i := range 6 * usersPerWorld {
		a, b := p.users[i%usersPerWorld].ID, pickOne(p.r, p.users...).ID
		if a != b {
			p.relate(db, a, b)
		}
	}
	for _, u := range p.users {
		p.play(db, u.ID)
	}
	entries, err := db.BoardEntries(ctx, p.ids())
	p.must(err)
	for _, e := range entries {
		p.tracks = append(p.tracks, e.Track.PublicID)
	}
}

func cookieOf(u songspy.User) songspy.Secret { return songspy.Secret("cookie-of-" + u.GoogleSub[8:]) }
func linkOf(u songspy.User) songspy.Secret   { return songspy.Secret("link-of-" + u.GoogleSub[8:]) }

func (p *worldPair) ids() (ids []songspy.UserID) {
	for _, u := range p.users {
		ids = append(ids, u.ID)
	}
	return ids
}

func (p *worldPair) createSession(db *store.Store, id songspy.UserID, secret songspy.Secret) {
	now := time.Now()
	_, err := db.CreateSession(p.t.Context(), songspy.Session{
		UserID: id, Kind: songspy.SessionCookie, Label: "Browser", SecretHash: attempt.Hash(secret),
		CreatedAt: now, SignedInAt: now, LastUsedAt: now, ExpiresAt: now.Add(1000 * time.Hour),
	})
	p.must(err)
}

func (p *worldPair) link(db *store.Store, id songspy.UserID) {
	_, err := db.SaveLink(p.t.Context(), songspy.NewLink{
		UserID: id, App: sim.SpotifyClientID, Account: songspy.SpotifyAccount{ID: fmt.Sprint("account-", id)}, ConsentedAt: time.Now(),
		Grant: songspy.Grant{AccessToken: "access", RefreshToken: "refresh", Scope: strings.Join(songspy.NeededScopes(), " "), ExpiresAt: time.Now().Add(time.Hour), Auth: songspy.AuthBasic},
	})
	p.must(err)
}

// share changes the settings of the user at random. If private is true, the settings show
// nothing to strangers.
func (p *worldPair) share(db *store.Store, id songspy.UserID, private bool) {
	_, err := db.ChangeSharing(p.t.Context(), id, func(s *songspy.Sharing) error {
		audiences := []songspy.Audience{songspy.AudienceEveryone, songspy.AudienceEveryone, songspy.AudienceFollowers, songspy.AudienceLink, songspy.AudienceNobody}
		if private {
			audiences = []songspy.Audience{songspy.AudienceFollowers, songspy.AudienceNobody}
		}
		s.Now, s.History = pickOne(p.r, audiences...), pickOne(p.r, audiences...)
		s.HideLocal, s.HideEpisodes, s.Findable, s.MinSeconds = p.once(2), p.once(3), !private && p.once(2), pickOne(p.r, 0, 0, 0, 30, 60)
		s.HiddenUntil = nil
		if p.once(6) {
			until := pickOne(p.r, songspy.HiddenForever, time.Now().Add(time.Minute))
			s.HiddenUntil = &until
		}
		return nil
	})
	p.must(err)
}

// relate makes a random change to the follows or blocks between a and b. It does nothing if the
// store refuses the change.
func (p *worldPair) relate(db *store.Store, a, b songspy.UserID) {
	ctx := p.t.Context()
	switch p.r.IntN(6) {
	case 0, 1:
		_, _ = db.RequestFollow(ctx, a, b)
	case 2, 3:
		_, _ = db.RequestFollow(ctx, a, b)
		_, _ = db.ApproveFollow(ctx, a, b)
	case 4:
		_ = db.RemoveFollow(ctx, a, b)
	case 5:
		_ = db.Block(ctx, a, b)
	}
}

// play lets the user play a track, or in one of five cases nothing, after up to three earlier plays.
// It does nothing if the user has not linked Spotify.
func (p *worldPair) play(db *store.Store, id songspy.UserID) {
	l, err := db.Link(p.t.Context(), id)
	if err != nil {
		return
	}
	now, track := time.Now(), pickOne(p.r, worldTracks...)
	started := now.Add(-time.Duration(p.r.IntN(50)) * time.Second)
	end := now.Add(20 * time.Minute)
	u := songspy.PlaybackUpdate{Visible: true, Tracks: worldTracks, Playing: songspy.NowPlaying{
		UserID: id, State: songspy.PlayerPlaying, TrackURI: track.URI, DurationMS: track.DurationMS, StartedAt: started, ObservedAt: now, EndsAt: &end, Generation: l.Generation,
	}}
	if p.once(5) {
		u.Playing = songspy.NowPlaying{UserID: id, State: songspy.PlayerIdle, ObservedAt: now, Generation: l.Generation}
	}
	for i := range p.r.IntN(4) {
		from := started.Add(-time.Duration(i+1) * 4 * time.Minute).Add(time.Duration(p.r.IntN(10)) * time.Second)
		u.Plays = append(u.Plays, songspy.Play{
			UserID: id, TrackURI: pickOne(p.r, worldTracks...).URI, StartedAt: from, EndedAt: from.Add(100 * time.Second),
			ListenedMS: 100_000, Source: songspy.SourceLive, Probable: p.once(6),
		})
	}
	written, err := db.WritePlaybackUpdates(p.t.Context(), []songspy.PlaybackUpdate{u})
	p.must(err)
	p.must(written[0].Err)
}

// step makes one random change to the data of the user: to the profile, the settings, what the user
// plays, the hidden items, the sessions or the relations.
func (p *worldPair) step(db *store.Store, id songspy.UserID) {
	ctx := p.t.Context()
	switch p.r.IntN(12) {
	case 0:
		nick := fmt.Sprint("nick ", p.r.IntN(1000))
		_, err := db.UpdateUser(ctx, id, func(u *songspy.User) error { u.NickName = &nick; return nil })
		p.must(err)
	case 1:
		_, err := db.UpdateUser(ctx, id, func(u *songspy.User) error { u.ShowPicture = !u.ShowPicture; return nil })
		p.must(err)
	case 2:
		p.share(db, id, false)
	case 3:
		p.share(db, id, true)
	case 4, 5, 6:
		p.play(db, id)
	case 7:
		_, err := db.HideItem(ctx, id, pickOne(p.r, hideableURIs...))
		p.must(err)
	case 8:
		_ = db.ShowItem(ctx, id, pickOne(p.r, hideableURIs...))
	case 9:
		p.must(db.SetHiddenByOperator(ctx, id, p.once(2), "detail"))
	case 10:
		p.createSession(db, id, songspy.Secret(fmt.Sprint("another session ", p.r.Uint64())))
	case 11:
		if other := pickOne(p.r, p.users...).ID; other != id {
			p.relate(db, id, other)
			_, _ = db.CreateReport(ctx, songspy.Report{UserID: other, ReporterID: &id, Reason: songspy.ReportOther})
		}
	}
}

// diverge makes one to three random changes in the second world only.
func (p *worldPair) diverge() {
	db := p.apis[1].db
	p.changed = nil
	for range 1 + p.r.IntN(3) {
		u := pickOne(p.r, p.users...)
		p.changed = append(p.changed, u)
		switch p.r.IntN(10) {
		case 0:
			_, err := db.EraseUser(p.t.Context(), u.ID)
			if songspy.CodeOf(err) != songspy.CodeNotFound {
				p.must(err)
			}
		case 1:
			_, _, err := db.SignIn(p.t.Context(), songspy.GoogleProfile{Subject: fmt.Sprint("new ", p.r.Uint64())}, songspy.AudienceNobody)
			p.must(err)
		case 2:
			_, _ = db.Unlink(p.t.Context(), u.ID)
		default:
			if _, err := db.User(p.t.Context(), u.ID); err == nil {
				p.step(db, u.ID)
			}
		}
	}
	<-time.After(settleTime)
}

// run lets one viewer after the other send some requests. Requests that write change both
// worlds, and so what later viewers may see.
func (p *worldPair) run(n *tally) {
	var viewers []*songspy.User
	for range turnsPerUser {
		viewers = append(viewers, nil, nil)
		for i := range p.users {
			viewers = append(viewers, &p.users[i])
		}
	}
	p.r.Shuffle(len(viewers), func(i, j int) { viewers[i], viewers[j] = viewers[j], viewers[i] })
	gone := map[*songspy.User]bool{} // users without a session
	different := 0
	for _, viewer := range viewers {
		if gone[viewer] {
			continue
		}
		u := &turn{worldPair: p, user: viewer, link: pickOne(p.r, p.users...)}
		p.differs = nil
		same, sameSignedOut := u.views()
		u.signedOut = sameSignedOut
		sent := p.sent
		if !same {
			if n.different == differentMax || different == differentPerPair {
				continue
			}
			u.send(read, 1)
			different++
			n.different++
			if len(p.differs) > 0 {
				n.noticed++
			}
			continue
		}
		u.send(read, 8)
		if p.once(20) {
			u.send(write, 2)
			u.send(read, 4)
		}
		if p.once(40) {
			u.send(end, 1)
			gone[viewer] = viewer != nil
		}
		n.same++
		n.requests += p.sent - sent
		if len(p.differs) > 0 {
			p.t.Errorf("the worlds are the same for %s, but the answers differ:\n%s", u, strings.Join(p.differs, "\n"))
			return
		}
	}
}

// turn is the time in which one viewer sends requests.
type turn struct {
	*worldPair
	user      *songspy.User // nil if not signed in
	link      songspy.User  // the viewer has the share link and an embed of this user
	signedOut bool          // the worlds are the same for the viewer without a session
}

func (u *turn) String() string {
	if u.user == nil {
		return "a stranger with the link of " + songspy.Handle(u.link.PublicID)
	}
	return songspy.Handle(u.user.PublicID) + " with the link of " + songspy.Handle(u.link.PublicID)
}

// views reports whether the worlds are the same for the viewer, and for the viewer
// without a session.
func (u *turn) views() (same, signedOut bool) {
	var seen, public [2]string
	for i, api := range u.apis {
		if u.stored[i] == nil {
			w := readWorld(u.t, api.db)
			u.stored[i] = &w
		}
		w := u.stored[i]
		// The viewer can also send requests without the share link, so both views count.
		public[i] = w.view(visibility.Anonymous()) + w.view(visibility.LinkHolder(visibility.Anonymous(), u.link.ID))
		seen[i] = public[i]
		if u.user == nil {
			continue
		}
		self := visibility.NewSelf(u.user.ID)
		follows, blocks, err := api.db.Relations(u.t.Context(), u.user.ID)
		u.must(err)
		relations := visibility.NewRelations(self, follows, blocks)
		// During the turn, the viewer can end the viewer's own blocks, then remove followers, and then end
		// the viewer's own follows. Each of these acts may show more users to the viewer, so what the
		// viewer sees after them counts too.
		theirBlocks := slices.DeleteFunc(slices.Clone(blocks), func(b songspy.Block) bool { return b.UserID == u.user.ID })
		ownFollows := slices.DeleteFunc(slices.Clone(follows), func(f songspy.Follow) bool { return f.UserID == u.user.ID })
		unblocked := visibility.SignedIn(self, visibility.NewRelations(self, follows, theirBlocks))
		unfollowed := visibility.SignedIn(self, visibility.NewRelations(self, ownFollows, theirBlocks))
		unrelated := visibility.SignedIn(self, visibility.NewRelations(self, nil, theirBlocks))
		seen[i] = w.relations(unblocked, u.user.ID, follows, blocks)
		for _, v := range []visibility.Viewer{visibility.SignedIn(self, relations), unblocked, visibility.LinkHolder(unblocked, u.link.ID), unfollowed, unrelated} {
			seen[i] += w.view(v)
		}
	}
	isChanged := u.user != nil && slices.ContainsFunc(u.changed, func(c songspy.User) bool { return c.ID == u.user.ID })
	same = seen[0] == seen[1] && !isChanged
	return same, public[0] == public[1]
}

// rawWorld is everything stored about users that others may be allowed to see.
type rawWorld struct {
	people  []songspy.Person
	entries []songspy.BoardEntry
	plays   [][]songspy.PlayWithTrack // in the order of people
}

func readWorld(t *testing.T, db *store.Store) (w rawWorld) {
	t.Helper()
	var err error
	if w.people, err = db.AllPeople(t.Context(), 0, 1000); err != nil {
		t.Fatal(err)
	}
	var ids []songspy.UserID
	for _, p := range w.people {
		ids = append(ids, p.User.ID)
		plays, err := db.PlaysForOthers(t.Context(), p.User.ID, songspy.Play{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		w.plays = append(w.plays, plays)
	}
	if w.entries, err = db.BoardEntries(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	return w
}

// shows reports whether the viewer sees the thing now or, by the passing of time alone,
// during the turn. If the viewer sees the thing only later, the text from says when, because
// the viewer may notice a difference of that time.
func shows(p songspy.UserID, r visibility.Rule, th visibility.Thing, v visibility.Viewer) (from string, ok bool) {
	now := time.Now()
	at := visibility.VisibleFrom(p, r, th, v, now)
	if at.After(now) {
		from = " visible from " + at.String()
	}
	return from, !at.IsZero() && at.Before(now.Add(turnMax))
}

// view describes everything that the viewer may see.
func (w rawWorld) view(v visibility.Viewer) string {
	var seen []string
	for i, p := range w.people {
		for name, th := range map[string]visibility.Thing{"profile": visibility.Profile(), "search": visibility.Search(), "preview": visibility.LinkPreview()} {
			if from, ok := shows(p.User.ID, p.Rule, th, v); ok {
				seen = append(seen, fmt.Sprintf("%d %s %q %q%s", p.User.PublicID, name, p.User.PublicName(), p.User.PublicPicture(), from))
			}
		}
		for _, k := range w.plays[i] {
			if from, ok := shows(p.User.ID, p.Rule, visibility.PlayThing(&k.Track, &k.Play), v); ok {
				seen = append(seen, fmt.Sprintf("%d played %d from %v to %v%s", p.User.PublicID, k.Track.PublicID, k.Play.StartedAt, k.Play.EndedAt, from))
			}
		}
	}
	for _, e := range w.entries {
		if from, ok := shows(e.User.ID, e.Rule, visibility.NowThing(&e.Track, e.Playing.StartedAt), v); ok {
			seen = append(seen, fmt.Sprintf("%d %q %q plays %d %s from %v to %v%s", e.User.PublicID, e.User.PublicName(), e.User.PublicPicture(), e.Track.PublicID, e.Playing.State, e.Playing.StartedAt, e.Playing.EndsAt, from))
		}
	}
	slices.Sort(seen)
	return strings.Join(seen, "\n")
}

// relations describes what the viewer sees of the viewer's own follows and blocks. Of a user that
// the viewer does not see, the viewer knows only whether the viewer has blocked the user. The
// contract lists blocked users with the profile that a stranger sees.
func (w rawWorld) relations(v visibility.Viewer, self songspy.UserID, follows []songspy.Follow, blocks []songspy.Block) string {
	var seen []string
	stranger := visibility.SignedIn(visibility.NewSelf(self), visibility.Relations{})
	for _, p := range w.people {
		_, visible := shows(p.User.ID, p.Rule, visibility.Profile(), v)
		for _, f := range follows {
			if visible && (f.UserID == p.User.ID || f.FollowerID == p.User.ID) {
				seen = append(seen, fmt.Sprintf("%d follow %t %s", p.User.PublicID, f.UserID == self, f.State))
			}
		}
		for _, b := range blocks {
			if b.UserID == self && b.BlockedID == p.User.ID {
				seen = append(seen, fmt.Sprintf("%d is blocked", p.User.PublicID))
				if _, ok := shows(p.User.ID, p.Rule, visibility.Profile(), stranger); ok {
					seen = append(seen, fmt.Sprintf("%d %q %q", p.User.PublicID, p.User.PublicName(), p.User.PublicPicture()))
				}
			}
		}
	}
	return strings.Join(seen, "\n")
}

// phase is a part of a turn. The cases of a phase run in the order of noninterferenceCases.
type phase int

const (
	read  phase = iota
	write       // changes what the viewer can change
	end         // ends sessions and links, and the account
)

type noninterferenceCase struct {
	operation string
	phase     phase
	public    bool // the answer depends on what a viewer without a session sees
	requests  func(u *turn) []query
}

// query is a request for an operation. values replace the parameters of the operation's path, in
// order. header has alternating names and values.
type query struct {
	values []any
	query  string
	body   any
	header []string
}

// send sends the requests of cases of the phase in both worlds. It chooses each case with the
// probability 1/in. It leaves out public cases if the worlds differ for a viewer without a session.
func (u *turn) send(during phase, in int) {
	for _, c := range noninterferenceCases {
		if c.phase != during || c.public && !u.signedOut || !u.once(in) {
			continue
		}
		for _, q := range c.requests(u) {
			u.exchange(c, q)
		}
	}
	if during != read {
		u.stored = [2]*rawWorld{}
	}
}

// exchange sends a request in both worlds. If the answer is a page of a list, it requests the
// next pages too, but at most pagesMax pages in all.
func (u *turn) exchange(c noninterferenceCase, q query) {
	o, known := u.operations[c.operation]
	if !known {
		u.t.Fatalf("the contract has no operation %s", c.operation)
	}
	path := o.path
	for _, v := range q.values {
		before, rest, _ := strings.Cut(path, "{")
		_, after, _ := strings.Cut(rest, "}")
		path = before + fmt.Sprint(v) + after
	}
	const pagesMax = 4
	for from, page := q.query, 0; page < pagesMax; page++ {
		a := u.both(o.method, path+from, q.body, q.header...)
		if c.phase != read {
			<-time.After(settleTime)
		}
		var answer struct{ Data struct{ NextCursor *string } }
		if json.Unmarshal(a.Body.Bytes(), &answer) != nil || answer.Data.NextCursor == nil {
			break
		}
		from = q.query + cmp.Or(map[bool]string{true: "?"}[q.query == ""], "&") + "cursor=" + *answer.Data.NextCursor
	}
}

// both sends a request in both worlds, compares the two answers, and records the request if they
// differ. It returns the answer of the first world.
func (u *turn) both(method, path string, body any, header ...string) *httptest.ResponseRecorder {
	u.sent++
	content, err := json.Marshal(body)
	u.must(err)
	var answers [2]*httptest.ResponseRecorder
	var transcripts [2]string
	var served sync.WaitGroup
	for i, api := range u.apis {
		ctx, cancel := context.WithTimeout(u.t.Context(), answerTime)
		defer cancel()
		request := httptest.NewRequestWithContext(ctx, method, path, bytes.NewReader(content))
		if body != nil {
			request.Header.Set("Content-Type", "application/json")
		}
		if u.user != nil {
			request.AddCookie(&http.Cookie{Name: "songspy", Value: string(cookieOf(*u.user))})
		}
		for pair := range slices.Chunk(header, 2) {
			request.Header.Set(pair[0], pair[1])
		}
		answers[i] = httptest.NewRecorder()
		answer := &recorder{ResponseRecorder: answers[i], ctx: ctx}
		serve := func() { api.handler.ServeHTTP(answer, request); answer.wait() }
		if strings.HasPrefix(path, prefix+"/listening/stream") { // a stream lasts until answerTime is over, so both worlds serve it at the same time
			served.Go(serve)
		} else {
			cryptotest.SetGlobalRandom(u.t, uint64(u.sent))
			serve()
		}
	}
	served.Wait()
	for i, a := range answers {
		a.Header().Del("X-Request-Id") // it is random, and so is the line "retry:" in the body of a stream
		transcripts[i] = fmt.Sprint(a.Code, " ", a.Header(), " ", retryTime.ReplaceAllString(a.Body.String(), ""))
	}
	if transcripts[0] != transcripts[1] {
		u.differs = append(u.differs, fmt.Sprintf("%s %s %s\n\t%s\n\t%s", method, path, content, transcripts[0], transcripts[1]))
	}
	return answers[0]
}

// answerTime is how long an answer may take. A stream is closed after this time.
const answerTime = time.Second

var retryTime = regexp.MustCompile(`(?m)^retry: \d+$`)

// recorder records an answer. The service takes over the connection of a stream, and
// writes to it until ctx ends.
type recorder struct {
	*httptest.ResponseRecorder
	ctx    context.Context //nolint:containedctx // that of one request
	closed chan struct{}   // nil unless the answer is a stream
}

func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.closed = make(chan struct{})
	return recordedConn{to: r}, nil, nil
}

// wait returns when the answer is complete.
func (r *recorder) wait() {
	if r.closed != nil {
		<-r.closed
	}
}

// recordedConn is the connection of a recorder.
type recordedConn struct {
	net.Conn // nil, because its other methods are not called
	to       *recorder
}

func (c recordedConn) Write(p []byte) (int, error) { return c.to.Write(p) }

func (c recordedConn) Read([]byte) (int, error) {
	select {
	case <-c.to.ctx.Done():
	case <-c.to.closed:
	}
	return 0, io.EOF
}

func (c recordedConn) Close() error {
	close(c.to.closed)
	return nil
}

func (recordedConn) SetWriteDeadline(time.Time) error { return nil }

// someone returns a random user, in half of the cases one whose data may differ between the worlds.
func (u *turn) someone() songspy.User {
	if u.once(2) {
		return pickOne(u.r, u.changed...)
	}
	return pickOne(u.r, u.users...)
}

// handles returns requests with the handles (public ids) of some users, and with an unknown handle.
func (u *turn) handles() (queries []query) {
	for range 3 {
		queries = append(queries, query{values: []any{songspy.Handle(u.someone().PublicID)}})
	}
	return append(queries, query{values: []any{"00000000001"}})
}

// withLink adds a request with the handle of the share link's owner. Then it adds each request
// once more with the share link.
func (u *turn) withLink(queries []query) []query {
	link := "?link=" + string(linkOf(u.link))
	queries = append(queries, query{values: []any{songspy.Handle(u.link.PublicID)}})
	for _, q := range slices.Clone(queries) {
		q.query = link
		queries = append(queries, q)
	}
	return queries
}

// positions returns two requests for pages of a list. One has no cursor. The other has a cursor that
// the viewer forged, with a random time and the handle of some user.
func (u *turn) positions() []query {
	at := u.someone()
	cursor := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", time.Now().Add(-time.Duration(u.r.IntN(3600))*time.Second).UnixMicro(), songspy.Handle(at.PublicID)))
	return []query{{query: "?limit=2"}, {query: "?limit=2&cursor=" + cursor}}
}

func (u *turn) id() songspy.PublicID {
	if u.user == nil {
		return 1
	}
	return u.user.PublicID
}

func one(q query) func(*turn) []query { return func(*turn) []query { return []query{q} } }

func eachHandle(u *turn) []query { return u.handles() }

// noninterferenceCases holds requests for every operation of the contract.
var noninterferenceCases = []noninterferenceCase{
	{"getHealth", read, true, one(query{})},
	{"getReadiness", read, true, one(query{})},
	{"getSignUp", read, true, one(query{})},
	{"listCurrentPlaying", read, true, func(u *turn) []query {
		etag := u.both("GET", prefix+"/tracks/current-playing", nil).Header().Get("ETag")
		return []query{{}, {header: []string{"If-None-Match", etag}}}
	}},
	{"listListening", read, false, func(u *turn) []query {
		etag := u.both("GET", prefix+"/listening", nil).Header().Get("ETag")
		return append(u.positions(), query{}, query{query: "?audience=following"}, query{header: []string{"If-None-Match", etag}}, query{header: []string{"Accept-Encoding", "gzip"}})
	}},
	{"streamListening", read, false, func(u *turn) []query {
		handle := songspy.Handle(u.someone().PublicID)
		topics := "?topics=window,person:" + handle + ",track:" + songspy.Handle(pickOne(u.r, u.tracks...))
		return []query{{query: topics}, {query: "?topics=following"}, {query: "?topics=person:" + songspy.Handle(u.link.PublicID) + "&link=" + string(linkOf(u.link))}}
	}},
	{"streamListening", read, true, func(u *turn) []query { // the stream of an overlay
		return []query{{query: "?topics=owner&token=overlay-" + string(linkOf(u.link))}, {query: "?topics=owner&token=unknown"}}
	}},
	{"getEmbed", read, true, func(u *turn) []query {
		token := string(linkOf(u.link))
		return []query{{values: []any{token + ".svg"}}, {values: []any{token + ".json"}}, {values: []any{"unknown.json"}}}
	}},
	{"listMyEmbeds", read, false, one(query{})},
	{"getMyWebhook", read, false, one(query{})},
	{"getTrack", read, false, func(u *turn) (queries []query) {
		for _, id := range []songspy.PublicID{pickOne(u.r, u.tracks...), pickOne(u.r, u.tracks...), 1} {
			queries = append(queries, query{values: []any{songspy.Handle(id)}})
		}
		return queries
	}},
	{"getPerson", read, false, func(u *turn) []query {
		u.both("GET", "/u/"+songspy.Handle(u.someone().PublicID), nil)
		return u.withLink(u.handles())
	}},
	{"getPersonPicture", read, false, func(u *turn) []query { return u.withLink(u.handles()) }},
	{"listPersonPlays", read, false, func(u *turn) []query {
		queries := u.withLink(u.handles())
		return append(queries, query{values: queries[0].values, query: "?limit=1"})
	}},
	{"searchPeople", read, false, func(u *turn) []query {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(songspy.Handle(u.someone().PublicID)))
		return []query{{query: "?q=n"}, {query: "?q=nick&limit=2"}, {query: "?q=nick&limit=2&cursor=" + cursor}, {query: "?q=zz"}}
	}},
	{"listMyFollowing", read, false, (*turn).positions},
	{"listMyFollowers", read, false, (*turn).positions},
	{"listMyBlocks", read, false, (*turn).positions},
	{"getMe", read, false, one(query{})},
	{"getMySharing", read, false, one(query{})},
	{"previewMySharing", read, true, func(*turn) []query { return []query{{query: "?as=stranger"}, {query: "?as=follower"}} }},
	{"listMySessions", read, false, one(query{})},
	{"listMyAuditEvents", read, false, one(query{query: "?limit=3"})},
	{"listMyPlays", read, false, one(query{query: "?limit=2"})},
	{"listMyGaps", read, false, one(query{})},
	{"listMyHiddenItems", read, false, one(query{query: "?limit=2"})},
	{"getMyHiddenItem", read, false, one(query{values: []any{artistURI}})},
	{"getMyNotices", read, false, one(query{})},
	{"getSpotifyLink", read, false, one(query{})},
	{"getSpotifySeat", read, false, one(query{})},
	{"getSpotifyAuthorization", read, false, one(query{})},
	{"beginSignIn", read, false, one(query{})},
	{"beginSignInWithInvite", read, false, one(query{body: map[string]string{"invite": "AAAA-BBBB-CCCC"}})},
	{"finishSignIn", read, false, one(query{query: "?state=s&code=c"})},
	{"finishLinking", read, false, one(query{query: "?state=s&code=c"})},
	{"signInWithGoogle", read, false, one(query{body: map[string]string{"accessToken": "token"}})},
	{"refreshToken", read, false, one(query{body: map[string]string{"refreshToken": "token"}})},
	// No viewer is an operator, so the answer is always 403, or 401 without a session.
	{"getOperatorStatus", read, false, one(query{})},
	{"listSeats", read, false, one(query{})},
	{"listReports", read, false, one(query{})},
	{"listHiddenPeople", read, false, one(query{})},
	{"enterSeat", read, false, eachHandle},
	{"dropSeat", read, false, eachHandle},
	{"handleReport", read, false, one(query{values: []any{1}, body: map[string]string{"action": "hide"}})},
	{"moderatePerson", read, false, func(u *turn) []query {
		return []query{{values: []any{songspy.Handle(u.someone().PublicID)}, body: map[string]string{"action": "show"}}}
	}},

	{"follow", write, false, eachHandle},
	{"getPerson", write, false, eachHandle},
	{"unfollow", write, false, eachHandle},
	{"approveFollower", write, false, eachHandle},
	{"removeFollower", write, false, eachHandle},
	{"reportPerson", write, false, func(u *turn) []query {
		return append(u.handles(), query{values: []any{songspy.Handle(u.someone().PublicID)}, body: map[string]string{"reason": "other", "text": "text"}})
	}},
	{"unblock", write, false, eachHandle},
	{"block", write, false, func(u *turn) []query { return u.handles()[2:] }},
	{"listListening", write, false, (*turn).positions},
	{"listMyBlocks", write, false, (*turn).positions},
	{"listMyFollowing", write, false, (*turn).positions},
	{"setMySharing", write, false, one(query{body: map[string]any{"minSeconds": 30}})},
	{"createShareLink", write, false, one(query{})},
	{"deleteShareLink", write, false, one(query{})},
	{"createEmbed", write, false, one(query{body: map[string]string{"purpose": "embed"}})},
	{"deleteEmbed", write, false, one(query{values: []any{1}})},
	{"setMyWebhook", write, false, one(query{body: map[string]string{"url": "http://127.0.0.1:1/"}})},
	{"testMyWebhook", write, false, one(query{})},
	{"getMyWebhook", write, false, one(query{})},
	{"deleteMyWebhook", write, false, one(query{})},
	{"pollMe", write, false, one(query{})},
	{"hideItem", write, false, one(query{values: []any{artistURI}})},
	{"unhideItem", write, false, one(query{values: []any{artistURI}})},
	{"editUser", write, false, func(u *turn) []query {
		body := map[string]any{"nickName": "nick renamed"}
		return []query{{values: []any{u.id()}, body: body}, {values: []any{u.someone().PublicID}, body: body}}
	}},
	{"setMyNotices", write, false, one(query{body: map[string]bool{"mail": false}})},
	{"deleteMyPlay", write, false, func(u *turn) []query { return []query{{values: []any{time.Now().UnixMicro()}}} }},
	{"askSpotifySeat", write, false, one(query{body: map[string]string{"email": "a@example.org"}})},
	{"leaveSpotifySeat", write, false, one(query{})},
	{"beginLinking", write, false, one(query{})},
	{"linkSpotify", write, false, one(query{body: map[string]string{"code": "code"}})},

	{"unlinkSpotify", end, false, one(query{})},
	{"getMe", end, false, one(query{})},
	{"listListening", end, false, (*turn).positions},
	{"endMySession", end, false, one(query{values: []any{1}})},
	{"deleteMe", end, false, one(query{})},
	{"logout", end, false, one(query{})},
	{"endMySessions", end, false, one(query{})},
}
