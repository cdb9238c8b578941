package population

// goldenRatio is 2^64 divided by the golden ratio, the step of SplitMix64.
const goldenRatio = 0x9e3779b97f4a7c15

// mix is the finalizer of SplitMix64: a bijection in which every bit of the
// input moves about half of the output's.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// hash combines parts, in order, into one well-mixed number.
func hash(parts ...uint64) uint64 {
	h := uint64(goldenRatio)
	for _, p := range parts {
		h = mix(h + goldenRatio + p)
	}
	return h
}

// toUnit maps a hash to [0, 1).
func toUnit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// random is a SplitMix64 stream. It has eight bytes of state and needs no
// allocation, because every request for a player starts a new stream.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += goldenRatio
	return mix(r.state)
}

func (r *random) fraction() float64 { return toUnit(r.next()) }

func (r *random) chance(p float64) bool { return r.fraction() < p }

// between returns a whole number in [low, high).
func (r *random) between(low, high int64) int64 {
	if high <= low {
		return low
	}
	return low + int64(r.fraction()*float64(high-low))
}

const alphabet62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// base62 returns two hashes as an identifier of 22 characters, the form of
// Spotify's IDs of tracks, albums and artists.
func base62(a, b uint64) string {
	var out [22]byte
	for i := range 11 {
		out[i] = alphabet62[a%62]
		a /= 62
		out[11+i] = alphabet62[b%62]
		b /= 62
	}
	return string(out[:])
}

// NameID returns an identifier in the form of Spotify's IDs. It is computed from
// the name, so that the same name always gives the same identifier.
func NameID(name string) string {
	h := uint64(goldenRatio)
	for _, b := range []byte(name) {
		h = mix(h ^ uint64(b))
	}
	return base62(h, mix(h+1))
}
