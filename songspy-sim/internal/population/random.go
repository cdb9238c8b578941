package population

// goldenRatio is 2^64 divided by the golden ratio. SplitMix64 adds it to its state in each
// step.
const goldenRatio = 0x9e3779b97f4a7c15

// mix is the finalizer of SplitMix64. It is a bijection. If one bit of the input changes,
// about half of the output bits change.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// hash combines the parts into one well-mixed number. Their order matters.
func hash(parts ...uint64) uint64 {
	h := uint64(goldenRatio)
	for _, p := range parts {
		h = mix(h + goldenRatio + p)
	}
	return h
}

// toUnit maps a hash to [0, 1).
func toUnit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// random is a stream of random numbers by SplitMix64. Every poll of a player starts a new
// stream, so its state has only eight bytes and needs no allocation.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += goldenRatio
	return mix(r.state)
}

func (r *random) fraction() float64 { return toUnit(r.next()) }

func (r *random) chance(p float64) bool { return r.fraction() < p }

// between returns a random whole number in [low, high), or low if that is empty.
func (r *random) between(low, high int64) int64 {
	if high <= low {
		return low
	}
	return low + int64(r.fraction()*float64(high-low))
}

const alphabet62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// base62 encodes two hashes as an identifier of 22 letters and digits, the form of Spotify's
// IDs of tracks, albums and artists.
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
