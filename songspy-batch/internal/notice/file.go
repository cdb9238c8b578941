package notice

import (
	"context"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/gate"
)

const (
	// lookEvery is the time between two looks at all links: their states last
	// for hours at least.
	lookEvery = 10 * time.Minute
	// linkAgain is how often a link's state that goes on is noted.
	linkAgain = 24 * time.Hour
	// page is how many links are read at once.
	page = 1000

	// closedFor is how long a door must have been closed for somebody to be told.
	closedFor = time.Hour
	// overAfter is how long a trouble must not have been seen by any process to be over.
	overAfter = 5 * time.Minute
	// fresh is how lately it must have been seen to be told of.
	fresh = 2 * time.Minute
)

// fileLinks files what links want somebody to be told.
func (j *Job) fileLinks(ctx context.Context, now time.Time) error {
	if !j.looked.IsZero() && now.Sub(j.looked) < lookEvery {
		return nil
	}
	// A little too many are read: the link itself decides.
	authorizedBefore := now.AddDate(0, 1-songspy.ConsentMonths, 0).Add(monthsDiffer)
	for after := songspy.UserID(0); ; {
		links, err := j.Links.NoticeLinks(ctx, authorizedBefore, after, page)
		if err != nil {
			return err
		}
		var wanted []songspy.Notice
		for _, l := range links {
			after = l.Link.UserID
			wanted = append(wanted, j.wantedOf(l, now)...)
		}
		if err := j.Book.FileNotices(ctx, wanted, linkAgain); err != nil {
			return err
		}
		if len(links) < page {
			j.looked = now
			return nil
		}
	}
}

// monthsDiffer is by how much as many months can differ in length.
const monthsDiffer = 4 * 24 * time.Hour

// wantedOf is what is to be told of a link, by each channel that there is.
func (j *Job) wantedOf(l songspy.NoticeLink, now time.Time) []songspy.Notice {
	return j.byChannel(songspy.NoticesOf(l.Link, now), l.Mail)
}

// byChannel is each notice by every channel that there is for it; mail reports
// whether the person can be told by mail.
func (j *Job) byChannel(notices []songspy.Notice, mail bool) (wanted []songspy.Notice) {
	for _, n := range notices {
		if n.Kind.For() == songspy.NoticeForOperator {
			wanted = append(wanted, j.toOperator(n)...)
		} else if mail && j.Senders[songspy.ChannelMail] != nil {
			n.Channel = songspy.ChannelMail
			wanted = append(wanted, n)
		}
	}
	return wanted
}

// fileSeats files what seats want somebody to be told.
func (j *Job) fileSeats(ctx context.Context) error {
	wanted, err := j.wantedOfSeats(ctx)
	if err != nil {
		return err
	}
	return j.Book.FileNotices(ctx, wanted, linkAgain)
}

func (j *Job) wantedOfSeats(ctx context.Context) (wanted []songspy.Notice, err error) {
	seats, err := j.Seats.NoticeSeats(ctx)
	for _, s := range seats {
		wanted = append(wanted, j.byChannel(songspy.NoticesOfSeat(s.Seat), s.Mail)...)
	}
	return wanted, err
}

// toOperator is a notice by each of the operator's channels.
func (j *Job) toOperator(n songspy.Notice) (wanted []songspy.Notice) {
	for _, c := range []songspy.NoticeChannel{songspy.ChannelWebhook, songspy.ChannelOperatorMail} {
		if j.Senders[c] != nil {
			n.Channel = c
			wanted = append(wanted, n)
		}
	}
	return wanted
}

// fileTroubles files what concerns everybody of an app, and what is over.
// Whichever process sees a trouble notes it every minute: it is over when none
// has for five, and in its own first minutes a process knows too little to say.
func (j *Job) fileTroubles(ctx context.Context, now time.Time) error {
	var wanted []songspy.Notice
	for app, state := range j.Doors() {
		for door, s := range map[gate.Door]gate.DoorState{gate.Accounts: state.Accounts, gate.API: state.API} {
			if s.Why != "" {
				wanted = append(wanted, j.toOperator(songspy.Notice{
					App: app, Kind: songspy.NoticeDoorClosed, Occurrence: string(door), DueAt: now.Add(closedFor),
				})...)
			}
		}
	}
	outages := j.Outages()
	for app, on := range outages {
		if on {
			wanted = append(wanted, j.toOperator(songspy.Notice{App: app, Kind: songspy.NoticeOutageBegan})...)
		}
	}
	if err := j.Book.FileNotices(ctx, wanted, Every/2); err != nil {
		return err
	}
	if now.Sub(j.began) >= overAfter {
		if err := j.Book.EndNotices(ctx, songspy.NoticeDoorClosed, "", now.Add(-overAfter), ""); err != nil {
			return err
		}
	}
	for app, on := range outages {
		if on {
			continue
		}
		if err := j.Book.EndNotices(ctx, songspy.NoticeOutageBegan, app, now.Add(-overAfter), songspy.NoticeOutageOver); err != nil {
			return err
		}
	}
	return nil
}

// name is what tells one notice from another.
type name struct {
	user       songspy.UserID
	app        string
	kind       songspy.NoticeKind
	occurrence string
	channel    songspy.NoticeChannel
}

func nameOf(n songspy.Notice) name { return name{n.UserID, n.App, n.Kind, n.Occurrence, n.Channel} }

// still parts the notices of a message into those that are wanted now and those
// whose state has passed, and gives the links that they are about.
func (j *Job) still(ctx context.Context, notices []songspy.Notice, now time.Time) (wanted, passed []songspy.Notice, links map[songspy.UserID]songspy.Link, err error) {
	var ids []songspy.UserID
	for _, n := range notices {
		if n.UserID != 0 {
			ids = append(ids, n.UserID)
		}
	}
	found, err := j.Links.NoticeLinksByID(ctx, ids)
	if err != nil {
		return nil, nil, nil, err
	}
	var seats []songspy.Notice
	if slices.ContainsFunc(notices, func(n songspy.Notice) bool { return n.Kind.OfSeat() }) {
		if seats, err = j.wantedOfSeats(ctx); err != nil {
			return nil, nil, nil, err
		}
	}
	current, links := map[name]bool{}, make(map[songspy.UserID]songspy.Link, len(found))
	for _, n := range seats {
		current[nameOf(n)] = true
	}
	for _, l := range found {
		links[l.Link.UserID] = l.Link
		for _, n := range j.wantedOf(l, now) {
			current[nameOf(n)] = true
		}
	}
	for _, n := range notices {
		is := current[nameOf(n)]
		if n.UserID == 0 {
			is = n.Kind == songspy.NoticeOutageOver || now.Sub(n.SeenAt) < fresh
		}
		if is {
			wanted = append(wanted, n)
		} else {
			passed = append(passed, n)
		}
	}
	return wanted, passed, links, nil
}
