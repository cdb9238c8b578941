package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Faults is the error of Load and Environ: everything that is wrong with a configuration.
// Load returns one line for each fault. A line says what is wrong or what to do. If it
// concerns one variable, it begins with the variable's name.
type Faults []string

// Error returns all faults as one text, with each fault on a line of its own.
func (f Faults) Error() string {
	return "the configuration has faults:\n  " + strings.Join(f, "\n  ")
}

// Load fills the struct *into from the variables in environ, as the struct tags
// `env` (name) and `envDefault` (default) define. An empty variable counts as
// absent, and spaces around a value are ignored. A secret NAME may be given as
// NAME_FILE, the path of a file that contains it. Then Load calls Validate on
// *into and on every nested struct, if they have the method. It also checks the
// rules that concern several of these structs, such as that either all providers
// are simulated or none. It also rejects unknown variables that look
// like a mistake: the old name of a renamed variable, a name that is close to a
// known name, and NAME_FILE if the variable NAME is not a secret.
//
// The error has the type Faults.
func Load(into any, environ map[string]string) error {
	fields := fieldsOf(into)
	typos, _ := unknownVariables(fields, environ)
	environ, faults := readFiles(fields, trimVariables(environ))
	faults = append(faults, typos...)
	if err := env.ParseWithOptions(into, env.Options{Environment: environ}); err != nil {
		faults = append(faults, parseFaults(fields, err)...)
	}
	var invalid Faults
	for _, v := range nestedStructs(into) {
		if v, ok := v.(interface{ Validate() error }); ok {
			invalid = append(invalid, flattenFaults(v.Validate())...)
		}
	}
	faults = append(faults, invalid.withoutVariablesOf(faults)...)
	faults = append(faults, providerFaults(nestedStructs(into)).withoutVariablesOf(faults)...)
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// readFiles returns a copy of environ. For each secret whose variable NAME_FILE is
// set, the copy has the content of that file as the value of the variable NAME.
func readFiles(fields []field, environ map[string]string) (map[string]string, Faults) {
	var faults Faults
	environ = maps.Clone(environ)
	for _, f := range fields {
		path := environ[f.key+"_FILE"]
		if !f.secret || path == "" {
			continue
		}
		if environ[f.key] != "" {
			faults = append(faults, fmt.Sprintf("%s: is given twice, directly and by %[1]s_FILE; keep one", f.key))
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: the file named by %[1]s_FILE cannot be read (%v); %s", f.key, err, remedyOf(err)))
			continue
		}
		if environ[f.key] = trimValue(string(content)); environ[f.key] == "" {
			faults = append(faults, fmt.Sprintf("%s: the file named by %[1]s_FILE is empty", f.key))
		}
	}
	return environ, faults
}

// remedyOf says what to do if a file that a _FILE variable names cannot be read.
func remedyOf(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "mount or create the file, or correct the path"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("make it readable for user %d", os.Getuid())
	default:
		return "name a file that contains the value"
	}
}

// parseFaults converts the errors of the env library, which name struct fields,
// into faults, which name environment variables.
func parseFaults(fields []field, err error) Faults {
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return Faults{err.Error()}
	}
	var faults Faults
	for _, err := range all.Errors {
		parse, ok := errors.AsType[env.ParseError](err)
		if !ok {
			faults = append(faults, err.Error())
			continue
		}
		for _, f := range fields {
			if f.name == parse.Name && f.typ == parse.Type {
				faults = append(faults, fmt.Sprintf("%s: %s", f.key, f.expected()))
			}
		}
	}
	return faults
}

// flattenFaults returns every error that errors.Join has combined in err, one fault for
// each.
func flattenFaults(err error) Faults {
	switch err := err.(type) { //nolint:errorlint // a tree is walked, not searched
	case nil:
		return nil
	case Faults:
		return err
	case interface{ Unwrap() []error }:
		var faults Faults
		for _, e := range err.Unwrap() {
			faults = append(faults, flattenFaults(e)...)
		}
		return faults
	default:
		return Faults{err.Error()}
	}
}

// withoutVariablesOf returns the faults whose variable has no fault in known, because such a fault
// is usually the consequence of the known one: if a variable cannot be read or parsed, its field
// keeps the zero value, so Validate reports the variable as missing too. It returns equal faults
// once: the method Validate of an embedded struct is called for the struct that embeds it as well.
func (f Faults) withoutVariablesOf(known Faults) (others Faults) {
	variable := func(fault string) string {
		name, _, _ := strings.Cut(fault, ":")
		return name
	}
	for _, fault := range f {
		if !slices.Contains(others, fault) && !slices.ContainsFunc(known, func(k string) bool { return variable(k) == variable(fault) }) {
			others = append(others, fault)
		}
	}
	return others
}
