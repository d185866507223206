// Certificates made by the program openssl.
#include "net/tls_certificate.h"

#include <gmock/gmock.h>

#include "tests/support/shell.h"

namespace lookback::net {
namespace {

using testing::HasSubstr;

class TlsCertificateTest : public ::testing::Test {
 protected:
  // Writes NAME.crt and NAME.key, self-signed.
  void Make(const std::string& name, const std::string& options = "-days 2") {
    test::Shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=" +
                name + " -keyout " + Key(name) + " -out " + Crt(name) + " " + options);
  }
  std::string Crt(const std::string& name) const { return directory_.Path(name + ".crt"); }
  std::string Key(const std::string& name) const { return directory_.Path(name + ".key"); }
  void Copy(const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  }
  Result<std::shared_ptr<TlsCertificate>> Open(const std::string& crt, const std::string& key) {
    return TlsCertificate::Open(*files_, clock_, {crt, key});
  }

  test::TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  SystemClock clock_;
};

TEST_F(TlsCertificateTest, ErrorsNameTheFileAndTheReason) {
  Make("a");
  Make("b");
  EXPECT_TRUE(Open(Crt("a"), Key("a")));
  const auto missing = Open(directory_.Path("none.crt"), Key("a"));
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.message(), HasSubstr(directory_.Path("none.crt")));
  const auto swapped = Open(Key("a"), Key("a"));
  ASSERT_FALSE(swapped);
  EXPECT_THAT(swapped.message(), HasSubstr(Key("a") + ": no certificate in PEM"));
  const auto no_key = Open(Crt("a"), Crt("a"));
  ASSERT_FALSE(no_key);
  EXPECT_THAT(no_key.message(), HasSubstr(Crt("a") + ": no private key in PEM"));
  const auto mixed = Open(Crt("a"), Key("b"));
  ASSERT_FALSE(mixed);
  EXPECT_THAT(mixed.message(), HasSubstr(Key("b") + " is not the key of the certificate"));
  test::Shell("openssl pkey -in " + Key("a") + " -aes256 -passout pass:secret -out " +
              Key("locked"));
  const auto locked = Open(Crt("a"), Key("locked"));
  ASSERT_FALSE(locked);
  EXPECT_THAT(locked.message(), HasSubstr("locked with a password"));
}

TEST_F(TlsCertificateTest, TellsWhenTheOneThatIsShownExpires) {
  Make("a", "-days 2");
  Make("b", "-days 400");
  Copy(Crt("a"), Crt("live"));
  Copy(Key("a"), Key("live"));
  auto opened = Open(Crt("live"), Key("live"));
  ASSERT_TRUE(opened) << opened.message();
  const auto expires = [this](const std::string& name) {
    // As a number, by programs that know the calendar.
    return std::stoll(test::Shell("date +%s -d \"$(openssl x509 -noout -enddate -in " + Crt(name) +
                                  " | cut -d= -f2)\"")) *
           kUsPerSecond;
  };
  EXPECT_EQ((*opened)->ExpiresUs(), expires("a"));
  Copy(Crt("b"), Crt("live"));
  Copy(Key("b"), Key("live"));
  EXPECT_TRUE((*opened)->Reload());
  EXPECT_EQ((*opened)->ExpiresUs(), expires("b"));
}

TEST_F(TlsCertificateTest, OtherFilesAreUsedFromNowOnOrNothingChanges) {
  Make("a", "-days 2");
  Make("b", "-days 400");
  auto opened = Open(Crt("a"), Key("a"));
  ASSERT_TRUE(opened) << opened.message();
  const TimeUs of_a = (*opened)->ExpiresUs();
  const Status mixed = (*opened)->Use({Crt("b"), Key("a")});
  ASSERT_FALSE(mixed);
  EXPECT_THAT(mixed.message(), HasSubstr(Key("a") + " is not the key of the certificate"));
  EXPECT_EQ((*opened)->ExpiresUs(), of_a);
  EXPECT_TRUE((*opened)->Use({Crt("b"), Key("b")}));
  const TimeUs of_b = (*opened)->ExpiresUs();
  EXPECT_GT(of_b, of_a + 300 * kUsPerDay);
  // It is those that are looked at now.
  Make("a", "-days 800");
  EXPECT_FALSE((*opened)->Reload());
  Make("b", "-days 800");
  EXPECT_TRUE((*opened)->Reload());
  EXPECT_GT((*opened)->ExpiresUs(), of_b + 300 * kUsPerDay);
}

TEST_F(TlsCertificateTest, FilesThatAreThereAgainAreNoTroubleAnyMore) {
  Make("a");
  auto opened = Open(Crt("a"), Key("a"));
  ASSERT_TRUE(opened) << opened.message();
  std::filesystem::rename(Key("a"), Key("away"));
  EXPECT_FALSE((*opened)->Reload());
  EXPECT_NE((*opened)->Trouble(), "");
  std::filesystem::rename(Key("away"), Key("a"));
  (*opened)->Reload();
  EXPECT_EQ((*opened)->Trouble(), "");
}

TEST_F(TlsCertificateTest, OneThatExpiresAtNoTimeIsRefused) {
  Make("a", "-days 2");
  // The day of its end becomes 99, at the same length; nobody checks a server's own signature.
  test::Shell("openssl x509 -in " + Crt("a") + " -outform DER | " +
              "perl -0777 -pe 's/(\\x17\\x0d\\d{12}Z\\x17\\x0d\\d{4})\\d\\d/${1}99/' | " +
              "base64 > " + directory_.Path("body"));
  test::Shell("(echo -----BEGIN CERTIFICATE-----; cat " + directory_.Path("body") +
              "; echo -----END CERTIFICATE-----) > " + Crt("never"));
  const auto never = Open(Crt("never"), Key("a"));
  ASSERT_FALSE(never);
  EXPECT_THAT(never.message(),
              HasSubstr(Crt("never") + ": when the certificate expires is not a time"));
}

TEST_F(TlsCertificateTest, ANewPairIsTakenAndABadOneIsNot) {
  Make("a");
  Make("b");
  Copy(Crt("a"), Crt("live"));
  Copy(Key("a"), Key("live"));
  auto opened = Open(Crt("live"), Key("live"));
  ASSERT_TRUE(opened) << opened.message();
  TlsCertificate& live = **opened;
  const auto first = live.context();
  EXPECT_FALSE(live.Reload());
  // Between the two files of an exchange the pair does not fit.
  Copy(Crt("b"), Crt("live"));
  EXPECT_FALSE(live.Reload());
  EXPECT_EQ(live.context(), first);
  Copy(Key("b"), Key("live"));
  EXPECT_TRUE(live.Reload());
  const auto second = live.context();
  EXPECT_NE(second, first);
  std::filesystem::remove(Key("live"));
  EXPECT_FALSE(live.Reload());
  EXPECT_EQ(live.context(), second);
}

}  // namespace
}  // namespace lookback::net
