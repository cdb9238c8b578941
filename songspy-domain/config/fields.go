package config

import (
	"reflect"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// List holds the values of an environment variable that contains several values,
// separated by commas. Spaces around a value and empty values are ignored.
type List []string

// UnmarshalText replaces the list by the values in the comma-separated text.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	for value := range strings.SplitSeq(string(text), ",") {
		if value = strings.TrimSpace(value); value != "" {
			*l = append(*l, value)
		}
	}
	return nil
}

// field is a field of a settings struct that is set by an environment variable.
type field struct {
	key    string // the name of the variable: SONGSPY_…
	name   string // the name of the struct field
	typ    reflect.Type
	secret bool
}

// expected returns the part of an error message that says which form the value of the
// variable must have.
func (f field) expected() string {
	switch {
	case f.typ == reflect.TypeFor[time.Duration]():
		return "is not a duration; write one such as 90s, 30m or 12h"
	case f.typ.Kind() == reflect.Bool:
		return "must be true or false"
	case f.typ.Kind() >= reflect.Int && f.typ.Kind() <= reflect.Float64:
		return "must be a whole number, such as 64"
	default:
		return "cannot be read as " + f.typ.String()
	}
}

// fieldsOf returns the fields of the struct *into, and of the structs nested in it, that
// are set by environment variables.
func fieldsOf(into any) []field {
	var fields []field
	for _, v := range nestedStructs(into) {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v).Elem()) {
			key, _, _ := strings.Cut(f.Tag.Get("env"), ",")
			if key == "" || len(f.Index) > 1 {
				continue
			}
			fields = append(fields, field{key, f.Name, f.Type, f.Type == reflect.TypeFor[songspy.Secret]()})
		}
	}
	return fields
}

// nestedStructs returns pointers to all structs within *into: one to each exported field
// of struct type, at any depth. The last pointer is into itself.
func nestedStructs(into any) []any {
	var found []any
	v := reflect.ValueOf(into).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Struct && v.Type().Field(i).IsExported() {
			found = append(found, nestedStructs(f.Addr().Interface())...)
		}
	}
	return append(found, into)
}
