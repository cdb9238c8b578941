package people

import (
	"github.com/rivo/uniseg"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
)

// nickNameBytesMax is the largest size of a nickname in bytes. It is needed because a single
// character (grapheme cluster) can consist of any number of code points.
const nickNameBytesMax = 2048

// NickName cleans a nickname. It returns NICKNAME_INVALID if the result does not have 1
// to songspy.NickNameMax characters (grapheme clusters).
func NickName(raw string) (string, error) {
	name := sanitize.Line(raw)
	if name == "" || uniseg.GraphemeClusterCount(name) > songspy.NickNameMax || len(name) > nickNameBytesMax {
		return "", &songspy.Error{Code: songspy.CodeInvalid, Reason: "NICKNAME_INVALID", Message: "A nickname has 1 to 30 characters."}
	}
	return name, nil
}
