package config

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
)

// byteOrderMark is the character that some editors put at the start of a UTF-8 file.
const byteOrderMark = "\ufeff"

// prefix is the start of the names of all environment variables of Songspy.
const prefix = "SONGSPY_"

// Environ returns the environment of the process, combined with the variables in
// the file .env of the working directory. The file may be missing. If both have a
// variable, the value of the process applies. The values of Songspy's variables
// are trimmed. Environ returns an error if .env cannot be read or parsed.
func Environ() (map[string]string, error) {
	environ, err := readDotenv(".env")
	if err != nil {
		return nil, Faults{".env: " + err.Error()}
	}
	maps.Copy(environ, env.ToMap(os.Environ()))
	return trimVariables(environ), nil
}

// readDotenv reads a file with lines of NAME=value. A missing file counts as empty.
// The parser's own error is not returned, because it quotes the faulty line, which may
// contain a secret.
func readDotenv(path string) (map[string]string, error) {
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return map[string]string{}, nil
	case err != nil:
		return nil, errors.New("cannot be read; check its mode")
	case strings.HasPrefix(string(content), "\xff\xfe"), strings.HasPrefix(string(content), "\xfe\xff"):
		return nil, errors.New("is written in UTF-16; save it as UTF-8")
	}
	environ, err := godotenv.Unmarshal(strings.TrimPrefix(string(content), byteOrderMark))
	if err != nil {
		return nil, errors.New("cannot be read as lines of NAME=value; correct or delete it")
	}
	return environ, nil
}

// trimVariables returns a copy of environ in which the values of Songspy's variables
// are trimmed by trimValue. Other variables keep their values.
func trimVariables(environ map[string]string) map[string]string {
	all := make(map[string]string, len(environ))
	for name, value := range environ {
		if strings.HasPrefix(name, prefix) {
			value = trimValue(value)
		}
		all[name] = value
	}
	return all
}

// trimValue removes what an editor or a copy leaves around a value: spaces,
// line ends and a byte order mark.
func trimValue(value string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(value), byteOrderMark))
}
