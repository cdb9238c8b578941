package population

// sessionWalk generates one listening session play by play. It is kept in a local variable,
// so that computing what a player shows allocates no memory.
type sessionWalk struct {
	world  *World
	random random
	traits traits
	person uint64
	key    uint64

	at, end, linger int64

	private, offline, unlisted bool
	stall                      Stall
	previousEnd                int64 // the position in its track at which the previous play ended

	lastTrack int32 // the last song that was played; -1 at first
	loopsLeft int   // how many more times the last song is played
	skips     int   // how many plays in a row were skipped
	sinceAd   int   // how many plays were begun since the last advertisement
	sequence  uint64
}

// session prepares k, so that k.next generates the session in the given slot of a person.
// It returns false if the slot has no session.
func (w *World) session(person int, slot int64, k *sessionWalk) bool {
	h := &w.habits
	key := hash(w.seed, saltSession, uint64(person), uint64(slot))
	r := random{key}
	start := slot*w.slot + w.slotPhase(person)
	chance := h.sessionsPerSlot()
	if h.Daily {
		chance *= w.hourWeight(person, start+w.slot/2)
	}
	if !r.chance(chance) {
		return false
	}
	mean := float64(h.SessionMean.Milliseconds())
	length := int64(mean * (1 + h.Spread*(r.fraction()+r.fraction()-1)))
	linger := r.between(0, lingerMax.Milliseconds())
	start += r.between(0, w.slot-length-linger)
	*k = sessionWalk{
		world: w, traits: w.traits(person), person: uint64(person), key: key,
		at: start, end: start + length, linger: linger, lastTrack: -1,
	}
	k.private = r.chance(h.Private)
	k.offline = r.chance(h.Offline)
	if r.chance(h.Loop) {
		k.loopsLeft = int(r.between(3, 12))
	}
	k.unlisted = toUnit(hash(w.seed, saltUnlisted, uint64(person), uint64(slot))) < h.Unlisted
	k.distortSession()
	k.random = r
	return true
}

// distortSession decides whether and how the player reports wrong values in this session.
// It uses a separate random stream, so these wrong values do not change which tracks are
// played and when.
func (k *sessionWalk) distortSession() {
	h := &k.world.habits
	rng := random{hash(k.key, saltDistort)}
	if !rng.chance(h.StalledSessions) {
		return
	}
	k.stall = Frozen
	if rng.chance(0.5) {
		k.stall = Growing
	}
	w := k.world
	phase := w.slotPhase(int(k.person))
	slotEnd := (w.slotOf(int(k.person), k.at)+1)*w.slot + phase
	k.linger = slotEnd - k.end // until the end of the slot, after which the person may play again
}

// distortPlay decides whether and how the player reports wrong values in the play p. It
// uses a separate random stream, as distortSession does. But the speed of an episode
// changes the times of the plays after it.
func (k *sessionWalk) distortPlay(p *play) {
	h := &k.world.habits
	rng := random{hash(p.key, saltDistort)}
	p.stall = k.stall
	if p.kind == KindEpisode && rng.chance(h.FastEpisodes) {
		p.speed = 1200 + 100*rng.between(0, 9)
	}
	if p.kind != KindAd && k.previousEnd > 0 && rng.chance(h.MixedChanges) {
		p.mixedFor, p.previousProgress = rng.between(1500, 6000), k.previousEnd
	}
}

// next stores the session's next play in p and returns true, or returns false if the
// session has no more plays. Plays never overlap.
func (k *sessionWalk) next(p *play) bool {
	// If less than a second of the session is left, nothing more is played.
	if k.end-k.at < 1000 {
		return false
	}
	h, r := &k.world.habits, &k.random
	*p = play{start: k.at, key: mix(k.key + k.sequence), private: k.private, offline: k.offline, unlisted: k.unlisted, sessionEnd: k.end, track: -1}
	k.sequence++
	k.chooseTrack(p)
	p.noProgress = r.chance(h.NoProgress)

	k.distortPlay(p)

	rest := p.timeFor(p.duration - p.from) // how long it takes to play to the track's end
	played := rest
	switch {
	case p.kind == KindAd:
	case r.chance(min(0.8, h.Skip*float64(int(1)<<min(k.skips, 4)))):
		k.skips++
		p.skipped = true
		u := r.fraction()
		played = min(rest-1, 1500+int64(u*u*0.7*float64(rest)))
	default:
		k.skips = 0
		played -= k.crossfade(p)
		k.addPauseOrSeek(p, &played)
	}
	p.complete = !p.skipped
	p.end = p.start + played + p.pause
	k.endWithSession(p)
	k.previousEnd, _ = p.position(p.end)
	k.at = p.end
	if p.skipped {
		k.at += r.between(0, 1500) // how long the next track loads after a skip
	} else if r.chance(0.3) {
		k.at += r.between(0, 400)
	}
	// After the last play of the session, the player still shows its track for a while. It
	// is the last play if less than a second of the session is left.
	if k.end-k.at < 1000 {
		p.linger = k.linger
	}
	return true
}

// crossfade returns how many milliseconds before the end of the song p the next one begins.
// Songs of a minute or less, and tracks of other kinds, do not fade into the next one.
func (k *sessionWalk) crossfade(p *play) int64 {
	if p.kind == KindTrack && p.duration > 60_000 {
		return k.traits.crossfade
	}
	return 0
}

// chooseTrack chooses the track of the play p, and the position at which the play starts.
func (k *sessionWalk) chooseTrack(p *play) {
	h, r := &k.world.habits, &k.random
	k.sinceAd++
	if k.traits.free && k.sinceAd > 3 {
		k.sinceAd = 0
		p.kind, p.duration = KindAd, r.between(12_000, 31_000)
		return
	}
	p.kind = KindTrack
	kind := r.fraction()
	switch {
	case k.lastTrack >= 0 && k.loopsLeft > 0:
		k.loopsLeft--
		p.track = k.lastTrack
	case k.lastTrack >= 0 && r.chance(h.Repeat):
		p.track = k.lastTrack
	case kind < h.Episode:
		p.kind, p.track = KindEpisode, songCount+int32(r.next()%episodeCount)
	case kind < h.Episode+h.Local:
		p.kind, p.track = KindLocal, songCount+episodeCount+int32(r.next()%localCount)
	case kind < h.Episode+h.Local+h.Unknown:
		p.kind, p.duration = KindUnknown, r.between(60_000, 1_200_000)
		return
	default:
		p.track = k.chooseSong()
	}
	p.duration = k.world.catalogue.duration(p.track)
	if p.kind == KindEpisode && r.chance(0.4) {
		p.from = r.between(0, p.duration/2)
	}
	if p.kind == KindTrack {
		k.lastTrack = p.track
	}
}

// chooseSong returns the number of a song: six times in ten one of the person's forty
// favourites, and otherwise any song of the catalogue, where songs with lower numbers are
// more popular and chosen more often.
func (k *sessionWalk) chooseSong() int32 {
	r := &k.random
	if r.chance(0.6) {
		return int32(hash(k.world.seed, saltTaste, k.person, r.next()%40) % songCount)
	}
	u := r.fraction()
	return int32(u * u * songCount)
}

// addPauseOrSeek adds a pause or a seek to p, or nothing, at random. The variable *played is
// how many milliseconds the play takes without the pause. A seek changes it.
func (k *sessionWalk) addPauseOrSeek(p *play, played *int64) {
	h, r := &k.world.habits, &k.random
	switch u := r.fraction(); {
	case u < h.Pause:
		p.pauseAt = r.between(1000, *played)
		p.pause = r.between(3_000, 180_000)
		if r.chance(0.1) {
			p.pause = r.between(180_000, 1_500_000)
		}
	case u < h.Pause+h.Seek && *played > 60_000:
		p.pauseAt = r.between(5_000, *played/2)
		if p.jump = r.between(5_000, *played/3); r.chance(0.4) {
			p.jump = -r.between(0, p.pauseAt)
		}
		*played -= p.jump
		p.jump = p.progressIn(p.jump)
	}
}

// endWithSession ends a play that would last beyond the session's end at that time, because
// the person stops the player then.
func (k *sessionWalk) endWithSession(p *play) {
	if p.end <= k.end {
		return
	}
	p.complete, p.skipped = false, false
	p.end = k.end
	if p.pause > 0 && p.end <= p.start+p.pauseAt+p.pause {
		// The session would end while the play is paused. So let the play and the
		// session end when the pause begins.
		p.end = min(p.end, p.start+p.pauseAt)
		k.end = p.end
	}
	if p.end <= p.start+p.pauseAt {
		p.pauseAt, p.pause, p.jump = 0, 0, 0
	}
}
