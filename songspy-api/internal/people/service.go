package people

import (
	"context"
	"net/netip"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/viewercache"
)

// Service answers requests. Each request has one viewer, in the parameter self. The zero Self is
// a viewer who is not signed in.
type Service struct {
	store   Store
	board   *board.Board
	viewers *viewercache.Cache
	now     func() time.Time
}

// New returns a Service. The cache viewers keeps relations in memory. If it is nil, each request
// reads them from the store.
func New(store Store, b *board.Board, viewers *viewercache.Cache, now func() time.Time) *Service {
	return &Service{store, b, viewers, now}
}

// errNotFound is the answer for a user who does not exist, and also for one that the viewer may
// not see, so that the viewer cannot tell the two cases apart.
var errNotFound = &songspy.Error{Code: songspy.CodeNotFound}

// viewer returns the viewer of a request: the user self with their relations, or an anonymous
// viewer if self is zero. The argument link is the secret of a share link, or empty. If it is
// valid, the viewer is also the holder of that link.
func (s *Service) viewer(ctx context.Context, self visibility.Self, link string) (v visibility.Viewer, err error) {
	if isSignedIn(self) {
		relations, err := s.viewers.Relations(self.ID(), func() (visibility.Relations, error) {
			follows, blocks, err := s.store.Relations(ctx, self.ID())
			return visibility.NewRelations(self, follows, blocks), err
		})
		if err != nil {
			return visibility.Viewer{}, err
		}
		v = visibility.SignedIn(self, relations)
	}
	owner, err := s.linkOwner(ctx, link)
	if owner != 0 {
		v = visibility.LinkHolder(v, owner)
	}
	return v, err
}

// linkOwner returns the owner of the share link whose secret is the argument link. It returns 0
// if link is empty, or if no share link has that secret, for example because the owner has
// replaced it.
func (s *Service) linkOwner(ctx context.Context, link string) (songspy.UserID, error) {
	if link == "" {
		return 0, nil
	}
	owner, err := s.store.PersonByShareLink(ctx, attempt.Hash(songspy.Secret(link)))
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return 0, nil
	}
	return owner.User.ID, err
}

func isSignedIn(self visibility.Self) bool { return self != visibility.Self{} }

// person returns the user with the handle (public id), both as the raw value and as the profile
// that the viewer sees. It returns CodeNotFound if the viewer may not see the profile.
func (s *Service) person(ctx context.Context, v visibility.Viewer, handle string) (songspy.Person, visibility.Seen[songspy.User], error) {
	id, _ := songspy.ParseHandle(handle) // no user has the id 0
	p, err := s.store.PersonByPublicID(ctx, id)
	if err != nil {
		return songspy.Person{}, visibility.Seen[songspy.User]{}, err
	}
	seen, ok := s.reveal(p, visibility.Profile(), v)
	if !ok {
		return songspy.Person{}, seen, errNotFound
	}
	return p, seen, nil
}

func (s *Service) reveal(p songspy.Person, t visibility.Thing, v visibility.Viewer) (visibility.Seen[songspy.User], bool) {
	return visibility.Reveal(&p.User, p.User.ID, p.Rule, t, v, s.now())
}

// Profile is what a viewer sees of a user.
type Profile struct {
	User visibility.Seen[songspy.User]
	// Playing is what the user plays now. It is nil if the user plays nothing, or if the viewer
	// may not see it.
	Playing *visibility.Seen[songspy.BoardEntry]
	// Follow is the state of the viewer's follow; empty if there is none.
	Follow songspy.FollowState
	// IsSelf reports whether the viewer is the user.
	IsSelf bool
}

// Profile returns the profile of the user with the handle. The argument link is the secret of a
// share link, or empty.
func (s *Service) Profile(ctx context.Context, self visibility.Self, handle, link string) (Profile, error) {
	v, err := s.viewer(ctx, self, link)
	if err != nil {
		return Profile{}, err
	}
	p, seen, err := s.person(ctx, v, handle)
	if err != nil {
		return Profile{}, err
	}
	profile := Profile{User: seen, IsSelf: p.User.ID == self.ID(), Follow: v.FollowState(p.User.ID)}
	return profile, s.addPlaying(&profile, v, p.User.ID)
}

func (s *Service) addPlaying(p *Profile, v visibility.Viewer, user songspy.UserID) error {
	playing, ok, err := s.board.NowPlaying(v, user)
	if ok {
		p.Playing = &playing
	}
	return err
}

// Picture returns the user with the handle, whose picture the caller then serves. It returns
// CodeNotFound if the viewer may not see the profile, or if the user shows no picture.
func (s *Service) Picture(ctx context.Context, self visibility.Self, handle, link string) (visibility.Seen[songspy.User], error) {
	v, err := s.viewer(ctx, self, link)
	if err != nil {
		return visibility.Seen[songspy.User]{}, err
	}
	_, seen, err := s.person(ctx, v, handle)
	if err == nil && seen.Value().PublicPicture() == "" {
		err = errNotFound
	}
	return seen, err
}

// LinkPreview returns the user with the handle if a preview of a link to their page may contain
// their name. Messengers and other programs show such previews to anybody. LinkPreview returns
// CodeNotFound for other users.
func (s *Service) LinkPreview(ctx context.Context, handle string) (visibility.Seen[songspy.User], error) {
	id, _ := songspy.ParseHandle(handle) // no user has the id 0
	p, err := s.store.PersonByPublicID(ctx, id)
	if err != nil {
		return visibility.Seen[songspy.User]{}, err
	}
	seen, ok := s.reveal(p, visibility.LinkPreview(), visibility.Anonymous())
	if !ok {
		err = errNotFound
	}
	return seen, err
}

// Plays returns up to limit plays of the user with the handle that the viewer may see, newest
// first. If the argument before is not zero, all of them started before that time. The result
// more reports whether older plays follow.
func (s *Service) Plays(ctx context.Context, self visibility.Self, handle, link string, before time.Time, limit int) (seen []visibility.Seen[songspy.PlayWithTrack], more bool, err error) {
	v, err := s.viewer(ctx, self, link)
	if err != nil {
		return nil, false, err
	}
	p, _, err := s.person(ctx, v, handle)
	if err != nil {
		return nil, false, err
	}
	now := s.now()
	since := visibility.HistorySince(p.User.ID, p.Rule, v, now)
	return fill(limit, songspy.PlayWithTrack{Play: songspy.Play{StartedAt: before}},
		func(after songspy.PlayWithTrack, n int) ([]songspy.PlayWithTrack, error) {
			if start := after.Play.StartedAt; !start.IsZero() && start.Before(since) {
				return nil, nil
			}
			return s.store.PlaysForOthers(ctx, p.User.ID, after.Play, n)
		},
		func(play songspy.PlayWithTrack) (visibility.Seen[songspy.PlayWithTrack], bool) {
			return visibility.Reveal(&play, p.User.ID, p.Rule, visibility.PlayThing(&play.Track, &play.Play), v, now)
		})
}

// ErrPosition is the error for a cursor whose user the viewer may not see or find any more, so
// that the list cannot be continued there.
var ErrPosition = &songspy.Error{Code: songspy.CodeInvalid, Message: "The page cannot be continued; begin with the first one."}

// Search returns up to limit findable users whose nickname begins with the text, sorted by
// nickname. The page begins after the user whose public id is the argument after, or with the
// first user if that is 0. The result more reports whether others follow. Search returns
// ErrPosition if the viewer cannot find the user of that id.
func (s *Service) Search(ctx context.Context, self visibility.Self, text string, after songspy.PublicID, limit int) (found []visibility.Seen[songspy.User], more bool, err error) {
	v, err := s.viewer(ctx, self, "")
	if err != nil {
		return nil, false, err
	}
	find := func(p songspy.Person) (visibility.Seen[songspy.User], bool) {
		return s.reveal(p, visibility.Search(), v)
	}
	var from songspy.Person
	if after != 0 {
		from, err = s.store.PersonByPublicID(ctx, after)
		if _, ok := find(from); songspy.CodeOf(err) == songspy.CodeNotFound || err == nil && !ok {
			err = ErrPosition
		}
		if err != nil {
			return nil, false, err
		}
	}
	return fill(limit, from, func(after songspy.Person, n int) ([]songspy.Person, error) {
		return s.store.SearchPeople(ctx, text, after.User, n)
	}, find)
}

// Position is the position of a user in a list of users that is sorted by time. The next page
// begins after it.
type Position struct {
	At   time.Time
	User songspy.PublicID
}

// idAt returns the id of the user at the position. If the viewer may not see that user, it
// returns -1, which no user has. Clients can send any position, and an answer must not depend on
// a user that the viewer may not see.
func (s *Service) idAt(ctx context.Context, v visibility.Viewer, at Position) (songspy.UserID, error) {
	const nobody = -1
	p, err := s.store.PersonByPublicID(ctx, at.User)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return nobody, nil
	}
	if _, ok := s.reveal(p, visibility.Profile(), v); err != nil || !ok {
		return nobody, err
	}
	return p.User.ID, nil
}

// Listening returns the users who are listening now and that the viewer may see. The other
// parameters and the results are those of board.Board.Listening.
func (s *Service) Listening(ctx context.Context, self visibility.Self, f board.Filter, after *board.Position, limit int) ([]visibility.Seen[songspy.BoardEntry], *board.Position, error) {
	v, err := s.viewer(ctx, self, "")
	if err != nil {
		return nil, nil, err
	}
	return s.board.Listening(v, f, after, limit)
}

// Follows returns the users that the viewer follows; it leaves out requested follows.
func (s *Service) Follows(ctx context.Context, self visibility.Self) ([]songspy.UserID, error) {
	v, err := s.viewer(ctx, self, "")
	return v.Follows(), err
}

// ListeningAnswer returns the first page of Listening as a rendered answer, and the users in
// it.
func (s *Service) ListeningAnswer(ctx context.Context, self visibility.Self) (*board.Answer, []visibility.Seen[songspy.BoardEntry], error) {
	v, err := s.viewer(ctx, self, "")
	if err != nil {
		return nil, nil, err
	}
	return s.board.ListeningAnswer(v)
}

// Window returns the users in the window of the viewer (the viewer's part of all listeners),
// newest start first. The address identifies a viewer who is not signed in, because the window
// differs from viewer to viewer.
func (s *Service) Window(ctx context.Context, self visibility.Self, address netip.Prefix) ([]visibility.Seen[songspy.BoardEntry], error) {
	v, err := s.viewer(ctx, self, "")
	if err != nil {
		return nil, err
	}
	key := board.ViewerID{Address: address}
	if isSignedIn(self) {
		key = board.ViewerID{Account: self.ID()}
	}
	return s.board.Window(v, key)
}

// StreamOptions are what a stream shows, and to which viewer.
type StreamOptions struct {
	Self   visibility.Self
	Link   string // the secret of a share link; empty if there is none
	Topics []board.Topic
	// Token is the token of an overlay (a page for streaming programs); empty if there is none.
	// With a token, Self and Link are ignored.
	Token songspy.Secret
	// Address identifies a viewer who is not signed in.
	Address netip.Prefix
	// SessionEnd returns when the session of a signed-in viewer ends. It returns
	// CodeUnauthorized if it has ended.
	SessionEnd func(context.Context) (time.Time, error)
}

// OpenStream opens a stream. The caller must close it.
func (s *Service) OpenStream(ctx context.Context, o StreamOptions) (*board.Stream, error) {
	stream := board.StreamOptions{Viewer: board.ViewerID{Address: o.Address}, Topics: slices.Clone(o.Topics)}
	var owner songspy.UserID // the owner of the token; 0 without a valid token
	if o.Token != "" {
		o.Self, o.Link = visibility.Self{}, ""
		var err error
		if owner, err = s.overlayOwner(ctx, o.Token); err != nil && songspy.CodeOf(err) != songspy.CodeNotFound {
			return nil, err
		}
	}
	if owner != 0 {
		stream.RereadOn = append(stream.RereadOn, owner)
	}
	if isSignedIn(o.Self) {
		stream.Viewer = board.ViewerID{Account: o.Self.ID()}
		stream.RereadOn = append(stream.RereadOn, o.Self.ID())
	}
	linked, err := s.linkOwner(ctx, o.Link)
	if err != nil {
		return nil, err
	}
	if linked != 0 {
		stream.RereadOn = append(stream.RereadOn, linked)
	}
	for i, t := range stream.Topics {
		if t.Kind != board.TopicPerson {
			continue
		}
		if t.Name == board.OwnerTopic {
			stream.Topics[i].User = owner
			continue
		}
		p, err := s.store.PersonByPublicID(ctx, t.Handle)
		if err != nil && songspy.CodeOf(err) != songspy.CodeNotFound {
			return nil, err
		}
		stream.Topics[i].User = p.User.ID // 0, which no user has, if there is no such user
	}
	stream.ReadViewer = func(ctx context.Context) (visibility.Viewer, time.Time, error) {
		var until time.Time
		if owner != 0 {
			_, err := s.overlayOwner(ctx, o.Token)
			if songspy.CodeOf(err) == songspy.CodeNotFound {
				err = &songspy.Error{Code: songspy.CodeUnauthorized} // the token was revoked
			}
			return visibility.LinkHolder(visibility.Anonymous(), owner), until, err
		}
		if isSignedIn(o.Self) {
			var err error
			if until, err = o.SessionEnd(ctx); err != nil {
				return visibility.Viewer{}, until, err
			}
		}
		v, err := s.viewer(ctx, o.Self, o.Link)
		return v, until, err
	}
	return s.board.OpenStream(ctx, stream)
}

// overlayOwner returns the owner of the embed token of an overlay. It returns CodeNotFound if
// there is no such token.
func (s *Service) overlayOwner(ctx context.Context, token songspy.Secret) (songspy.UserID, error) {
	return s.store.EmbedTokenOwner(ctx, songspy.EmbedOverlay, attempt.Hash(token))
}

// Listeners returns up to limit users who are listening to the track with the handle and that
// the viewer may see. It returns CodeNotFound if there are none.
func (s *Service) Listeners(ctx context.Context, self visibility.Self, handle string, limit int) ([]visibility.Seen[songspy.BoardEntry], error) {
	v, err := s.viewer(ctx, self, "")
	if err != nil {
		return nil, err
	}
	track, _ := songspy.ParseHandle(handle) // 0, which no track has, if the handle is not valid
	listeners, err := s.board.Listeners(v, track, limit)
	if err == nil && len(listeners) == 0 {
		err = errNotFound
	}
	return listeners, err
}

// Preview is what a viewer sees who has a certain relation to the caller.
type Preview struct {
	Board     *board.Answer
	Listening []visibility.Seen[songspy.BoardEntry]
	Next      *board.Position
	// Profile is nil if that viewer may not see the caller.
	Profile *Profile
}

// Preview returns what a certain viewer sees: the board, the first users of the list of
// listeners (at most limit), and the caller's profile. The argument as is the relation of this
// viewer to the caller, for example visibility.Follower. To all other users, the viewer is a
// stranger.
func (s *Service) Preview(ctx context.Context, self visibility.Self, as visibility.Relation, limit int) (p Preview, err error) {
	own, err := s.store.People(ctx, []songspy.UserID{self.ID()})
	if err == nil && len(own) == 0 {
		err = errNotFound
	}
	if err != nil {
		return Preview{}, err
	}
	v := visibility.PreviewOf(self, as)
	if p.Board, err = s.board.Current(); err != nil {
		return Preview{}, err
	}
	if p.Listening, p.Next, err = s.board.Listening(v, board.AllVisible, nil, limit); err != nil {
		return Preview{}, err
	}
	if seen, ok := s.reveal(own[0], visibility.Profile(), v); ok {
		p.Profile = &Profile{User: seen}
		if as == visibility.Follower {
			p.Profile.Follow = songspy.FollowApproved
		}
		err = s.addPlaying(p.Profile, v, self.ID())
	}
	return p, err
}

// fill returns one page of a list: up to limit revealed candidates. They follow the candidate in
// the argument after. fill reads until the page is full, even if some candidates are hidden. The
// result more reports whether another candidate follows that would be revealed. The function
// read returns n candidates after a given one, and fewer only at the end of the list. The
// function reveal returns false for a hidden candidate.
func fill[C, S any](limit int, after C, read func(after C, n int) ([]C, error), reveal func(C) (S, bool)) (seen []S, more bool, err error) {
	for n := limit + 1; ; n = min(2*n, candidatesMax) {
		candidates, err := read(after, n)
		if err != nil {
			return nil, false, err
		}
		for _, c := range candidates {
			s, ok := reveal(c)
			switch {
			case !ok:
			case len(seen) == limit:
				return seen, true, nil
			default:
				seen = append(seen, s)
			}
		}
		if len(candidates) < n {
			return seen, false, nil
		}
		after = candidates[len(candidates)-1]
	}
}

// candidatesMax is the largest number of candidates that fill reads at once. It limits the
// memory that a request needs.
const candidatesMax = 1000
