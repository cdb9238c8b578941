package config

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/joho/godotenv"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// KeyBytes is the length of every key: an AES-256 key, or the seed of an
// Ed25519 key pair.
const KeyBytes = 32

// Key is a secret key with its ID. Everything that it encrypts or signs
// contains the ID, so that the key for decrypting or verifying can be found.
type Key struct {
	ID  string
	Key []byte // KeyBytes long
}

// isWeak reports whether the key is probably not random: it has few different
// bytes, each byte differs from the one before it by the same amount, or all
// bytes are printable ASCII. About one in 5×10^13 random keys counts as weak, too.
func (k Key) isWeak() bool {
	const fewest = 17 // the smallest accepted number of different bytes; random keys have about 30
	different := map[byte]bool{}
	counts, text := true, true
	for i, b := range k.Key {
		different[b] = true
		counts = counts && (i < 2 || b-k.Key[i-1] == k.Key[1]-k.Key[0])
		text = text && b >= ' ' && b <= '~'
	}
	return len(different) < fewest || counts || text
}

var keyIDPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// ParseKeys reads a list of keys, separated by commas. Each is an ID, a colon and the
// base64 of 32 bytes, such as k2:BugkMTgeSrzDdWTdwU8ZW4JhyqPUy3Y7UGJmivTQiR8=. The first
// key encrypts or signs; the others only decrypt or verify. The argument name is the name
// of the variable. The error has a line for each faulty entry, with that name and the position
// or the ID of the entry, and never quotes a key.
func ParseKeys(name string, list songspy.Secret) ([]Key, error) {
	var keys []Key
	var faults []error
	seen := map[string]bool{}
	for i, entry := range strings.Split(list.Reveal(), ",") {
		id, text, ok := strings.Cut(strings.TrimSpace(entry), ":")
		if !ok || !keyIDPattern.MatchString(id) {
			faults = append(faults, fmt.Errorf("%s: entry %d must be id:key, with an ID of up to 32 letters, digits, - or _", name, i+1))
			continue
		}
		if seen[id] {
			faults = append(faults, fmt.Errorf("%s: the ID %q is used twice; every key needs its own", name, id))
		}
		seen[id] = true
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != KeyBytes {
			faults = append(faults, fmt.Errorf("%s: the key %q must be the base64 of %d bytes, as `openssl rand -base64 %d` prints", name, id, KeyBytes, KeyBytes))
		}
		keys = append(keys, Key{id, key})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return keys, nil
}

// Keys holds the two lists of secret keys that an instance of Songspy needs: Seal encrypts
// secrets in the database, JWT signs the JWTs of bearer sessions. Each list is text in the
// form that ParseKeys reads, such as k2:BugkMTgeSrzDdWTdwU8ZW4JhyqPUy3Y7UGJmivTQiR8=.
type Keys struct {
	Seal songspy.Secret // the value of SONGSPY_SEAL_KEYS
	JWT  songspy.Secret // the value of SONGSPY_JWT_KEYS
}

// GenerateKeys returns a new seal key and a new JWT key. Their IDs are the prefix, a dash
// and random hexadecimal digits.
func GenerateKeys(prefix string) Keys {
	fresh := func() songspy.Secret {
		var id [4]byte
		var key [KeyBytes]byte
		rand.Read(id[:])  // never fails
		rand.Read(key[:]) // never fails
		return songspy.Secret(prefix + "-" + hex.EncodeToString(id[:]) + ":" + base64.StdEncoding.EncodeToString(key[:]))
	}
	return Keys{Seal: fresh(), JWT: fresh()}
}

// EnvFile returns the keys as the text of an environment file: two lines of NAME="value".
// The keys are not encrypted.
func (k Keys) EnvFile() string {
	return fmt.Sprintf("SONGSPY_SEAL_KEYS=%q\nSONGSPY_JWT_KEYS=%q\n", k.Seal.Reveal(), k.JWT.Reveal())
}

// keysFile is the name of the file in Service.StateDir that holds the generated keys of an
// instance in development.
const keysFile = "keys.env"

// DevelopmentKeys returns the keys in the file keysFile of the directory dir. If the file
// does not exist, it generates keys and creates the file, which only its owner can read.
// Two processes that start at the same time get the same keys, because the file is created
// only once, and with its whole content.
func DevelopmentKeys(dir string) (Keys, error) {
	path := filepath.Join(dir, keysFile)
	keys, err := readKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	err = os.MkdirAll(dir, 0o700)
	if err == nil {
		err = writeOnce(path, GenerateKeys("dev").EnvFile())
	}
	if err != nil {
		return Keys{}, fmt.Errorf("the keys for development cannot be stored: %w; set SONGSPY_STATE_DIR to a directory to which this user may write", err)
	}
	return readKeys(path)
}

func readKeys(path string) (Keys, error) {
	f, err := os.Open(path)
	if err != nil {
		return Keys{}, err
	}
	defer f.Close()
	lines, err := godotenv.Parse(f)
	keys := Keys{Seal: songspy.Secret(lines["SONGSPY_SEAL_KEYS"]), JWT: songspy.Secret(lines["SONGSPY_JWT_KEYS"])}
	if err != nil || keys.Seal == "" || keys.JWT == "" {
		return Keys{}, fmt.Errorf("%s: does not contain SONGSPY_SEAL_KEYS and SONGSPY_JWT_KEYS; delete it together with its database to start again", path)
	}
	return keys, nil
}

// writeOnce creates the file with its whole content. If the file exists, writeOnce leaves
// it unchanged and returns nil. It writes a temporary file and links it to path: a hard
// link fails if path exists, and no other process ever sees a part of the content.
func writeOnce(path, content string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(content)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
