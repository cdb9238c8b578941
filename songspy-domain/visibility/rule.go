package visibility

import (
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Rule holds the stored settings that decide what one user shows to others.
type Rule = songspy.SharingRule

// Thing describes what a viewer asks to see of an owner. Only the owner may see
// something that the zero value describes.
type Thing struct {
	kind  kind
	track *songspy.Track
	// started and ended are the start and the end of the play. The Thing of a track
	// that plays now has no end.
	started, ended time.Time
	// certain is false for plays that only the owner may see: probable (unconfirmed)
	// plays, deleted plays, and plays that end before they begin.
	certain bool
}

type kind uint8

const (
	now kind = iota + 1
	history
	profile
	search
	linkPreview
)

// NowThing returns the Thing of a track that plays, or is paused, since
// startedAt.
func NowThing(track *songspy.Track, startedAt time.Time) Thing {
	return Thing{kind: now, track: track, started: startedAt, certain: true}
}

// PlayThing returns the Thing of a past play of a track.
func PlayThing(track *songspy.Track, play *songspy.Play) Thing {
	certain := !play.Probable && play.DeletedAt == nil && !play.EndedAt.Before(play.StartedAt)
	return Thing{kind: history, track: track, started: play.StartedAt, ended: play.EndedAt, certain: certain}
}

// Profile returns the Thing of a user's name, picture and page.
func Profile() Thing { return Thing{kind: profile} }

// Search returns the Thing of a user as a result of a search by name.
func Search() Thing { return Thing{kind: search} }

// LinkPreview returns the Thing of a user's name in a preview of a link to their page.
// Other services, such as messengers, make such previews and keep them. So fewer viewers
// may see this name than the one in the profile.
func LinkPreview() Thing { return Thing{kind: linkPreview} }

// required returns the least close relation that may see the thing at the given time.
// The table lists what a condition requires. If several rows apply, the closest
// relation is required. A row with "period:" applies if its condition is true for a
// sharing period that is in force at that time, at a later time, or at any moment of
// the play. The relation nobody is above all relations that a viewer can have.
//
//	thing        | condition                                        | required
//	-------------+--------------------------------------------------+---------------------------------
//	any          | the operator hides the owner                     | nobody
//	any          | periods are missing or out of order              | nobody
//	now, play    | it began before the first period                 | owner
//	play         | probable, deleted, or ended before it began      | owner
//	now, play    | hidden items: its track or an artist             | owner
//	now, play    | period: hidden until a time, while it is hidden  | owner
//	now, play    | period: the kind of the track is hidden          | owner
//	now, play    | period: it has played less than the minimum      | owner
//	now          | period: audience for now                         | by audience
//	link preview | period: audience for now                         | by audience
//	play         | period: audience for history                     | by audience
//	profile      | period: findable                                 | stranger
//	profile      | period: else                                     | by the wider of the two audiences
//	search       | period: findable                                 | stranger
//	search       | period: else                                     | owner
//
// "By audience" means: the audience everyone requires stranger, link requires link
// holder, followers requires follower, and nobody requires owner.
func required(r *Rule, th *Thing, at time.Time) Relation {
	if r.HiddenByOperator || !ordered(r.Periods) {
		return nobody
	}
	isPlay := th.kind == now || th.kind == history
	if isPlay && (th.track == nil || !th.certain || th.started.Before(r.Periods[0].BeganAt) || hidesItem(r.Hidden, th, at)) {
		return Owner
	}
	need := Stranger
	for i := range r.Periods {
		p, end := &r.Periods[i], songspy.HiddenForever
		if i+1 < len(r.Periods) {
			end = r.Periods[i+1].BeganAt
		}
		switch {
		case i+1 < len(r.Periods) && !th.meets(p.BeganAt, end, at):
		case isPlay && p.HiddenUntil != nil && th.meets(p.BeganAt, *p.HiddenUntil, at),
			isPlay && hidesKind(p, th.track),
			isPlay && p.MinSeconds > 0 && th.played(at) < time.Duration(p.MinSeconds)*time.Second:
			return Owner
		case th.kind == now, th.kind == linkPreview:
			need = max(need, audience(p.Now))
		case th.kind == history:
			need = max(need, audience(p.History))
		case p.Findable && (th.kind == profile || th.kind == search):
		case th.kind == profile:
			need = max(need, min(audience(p.Now), audience(p.History)))
		default:
			return Owner
		}
	}
	return need
}

// maySee reports whether the viewer may see the owner's thing at the given time. It adds
// these rules to those of the function required. If r is the rule of another owner, nobody
// sees anything. Owners see everything of themselves. If the viewer or the owner has
// blocked the other, the viewer sees nothing. Only signed-in viewers find users by search.
// Users who follow the viewer, or have asked to, show the viewer their profile, unless the
// function required returns the relation nobody. The operator sees every profile, even if
// the function required returns nobody.
func maySee(owner songspy.UserID, r *Rule, th *Thing, by *Viewer, at time.Time) bool {
	relation := by.relation(owner)
	if owner == 0 || owner != r.Owner || relation < Owner && contains(by.relations.blocked, owner) {
		return false
	}
	if th.kind == search && !by.signedIn() {
		return false
	}
	if th.kind == profile && by.operator {
		return true
	}
	need := required(r, th, at)
	return relation == Owner || relation >= need ||
		th.kind == profile && need <= Owner && contains(by.relations.followers, owner)
}

// ordered reports whether there are periods, and each begins after the previous one.
func ordered(periods []songspy.Sharing) bool {
	for i := range len(periods) - 1 {
		if !periods[i].BeganAt.Before(periods[i+1].BeganAt) {
			return false
		}
	}
	return len(periods) > 0
}

// meets reports whether the interval [began, end) matters for the thing at the given time:
// it ends after that time, so it is in force then or later, or it overlaps the play. If end
// is before began, meets exchanges the two.
func (th *Thing) meets(began, end, at time.Time) bool {
	if end.Before(began) {
		began, end = end, began
	}
	return end.After(at) || end.After(th.started) && !began.After(th.endedBy(at))
}

// endedBy returns the end of the play. If the track still plays, it returns the given time.
func (th *Thing) endedBy(at time.Time) time.Time {
	if th.kind != now {
		return th.ended
	}
	if at.Before(th.started) { // a process whose clock is ahead stored the start
		return th.started
	}
	return at
}

// played returns how long the play has lasted, including pauses.
func (th *Thing) played(at time.Time) time.Duration { return th.endedBy(at).Sub(th.started) }

// audience returns the least close relation that belongs to an audience. An unknown
// audience counts as AudienceNobody.
func audience(a songspy.Audience) Relation {
	switch a {
	case songspy.AudienceEveryone:
		return Stranger
	case songspy.AudienceLink:
		return WithLink
	case songspy.AudienceFollowers:
		return Follower
	}
	return Owner
}

// hidesKind reports whether the settings hide the kind of the track. A track of an
// unknown kind is always hidden.
func hidesKind(p *songspy.Sharing, t *songspy.Track) bool {
	switch {
	case t.Kind == songspy.KindLocal || songspy.IsLocal(t.URI):
		return p.HideLocal
	case t.Kind == songspy.KindEpisode:
		return p.HideEpisodes
	case t.Kind == songspy.KindChapter:
		return p.HideChapters
	}
	return t.Kind != songspy.KindTrack
}

// hidesItem reports whether one of the hidden items hides the track of the thing. The
// item must match the track, and be in force at the given time, at a later time, or at
// any moment of the play. An item without an end counts as in force at any time.
func hidesItem(items []songspy.HiddenItem, th *Thing, at time.Time) bool {
	for i := range items {
		item := &items[i]
		if (item.EndedAt == nil || th.meets(item.BeganAt, *item.EndedAt, at)) && matches(item, th.track) {
			return true
		}
	}
	return false
}

// matches reports whether the hidden item is the track or one of its artists. If the URI
// of an artist of the track is unknown, all artists are compared by name too. If the name
// of the item or the names of the artists are missing as well, the item counts as one of
// the artists, because doubt hides.
func matches(item *songspy.HiddenItem, t *songspy.Track) bool {
	if item.URI == t.URI {
		return true
	}
	if !strings.HasPrefix(item.URI, "spotify:artist:") {
		return false
	}
	known := len(t.ArtistRefs) > 0
	for i := range t.ArtistRefs {
		if t.ArtistRefs[i].URI == item.URI {
			return true
		}
		known = known && t.ArtistRefs[i].URI != ""
	}
	return !known && (item.Name == "" || t.Artists == "" || isListed(item.Name, t.Artists))
}

// isListed reports whether the argument name is one of the names in artists, ignoring case.
// The names are joined by ", ", as in "Iron, Wine, Calexico". A name may itself contain
// that separator, so isListed compares every run of adjacent names: "Iron, Wine" is listed.
func isListed(name, artists string) bool {
	const separator = ", "
	for {
		for end := 0; end < len(artists); end += len(separator) {
			if i := strings.Index(artists[end:], separator); i >= 0 {
				end += i
			} else {
				end = len(artists)
			}
			if strings.EqualFold(artists[:end], name) {
				return true
			}
		}
		_, rest, more := strings.Cut(artists, separator)
		if !more {
			return false
		}
		artists = rest
	}
}
