//! Hashes of passwords: argon2id (RFC 9106), in the PHC string format.

use std::fmt;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use zeroize::Zeroizing;

use super::memory::Memory;

/// The salt's length in bytes (RFC 9106, section 3.1).
const SALT: usize = 16;

/// The most memory that one hash of a users file may ask for, in KiB: a line of a
/// file must not be able to take the machine's.
const MOST_MEMORY_KIB: u32 = 256 * 1024;

/// The most work, in passes times KiB: at most some seconds.
const MOST_WORK: u64 = 4 * MOST_MEMORY_KIB as u64;

/// What a hash costs, to us and to whoever guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Cost {
    /// 19 MiB and two passes, the least that OWASP's password storage cheat sheet
    /// recommends: some 25 ms of one core.
    fn default() -> Self {
        Cost {
            memory_kib: Params::DEFAULT_M_COST,
            passes: Params::DEFAULT_T_COST,
        }
    }
}

impl Cost {
    /// The cheapest hash that there is; for tests, since it protects nothing.
    pub const LEAST: Cost = Cost {
        memory_kib: Params::MIN_M_COST,
        passes: Params::MIN_T_COST,
    };

    fn params(self) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, 1, None).ok()
    }
}

/// The hash of one password, with its salt and its cost.
///
/// `Display` is the PHC string, for example `$argon2id$v=19$m=19456,t=2,p=1$…$…`.
#[derive(Clone, Debug)]
pub struct Hash {
    phc: PasswordHash,
    params: Params,
}

/// Text that is no hash as it is needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadHash {
    /// It is no PHC string with salt and hash.
    #[error("that is no hash of a password")]
    Form,
    /// It was made by something else than argon2id.
    #[error("only argon2id hashes are taken")]
    Algorithm,
    /// It costs more than a server should spend on a client.
    #[error("the hash asks for more than {MOST_MEMORY_KIB} KiB or for too many passes")]
    Cost,
}

impl Hash {
    /// Hashes `password`. It takes [`Cost`], so call it where it may block.
    ///
    /// # Errors
    /// [`BadHash::Cost`] when argon2 has no such cost.
    pub fn of(password: &[u8], salt: [u8; SALT], cost: Cost) -> Result<Hash, BadHash> {
        let params = cost.params().ok_or(BadHash::Cost)?;
        let output = compute(password, &salt, &params, &mut Memory::none()).ok_or(BadHash::Cost)?;
        Hash::with(&salt, params, output).ok_or(BadHash::Cost)
    }

    fn with(salt: &[u8], params: Params, output: Output) -> Option<Hash> {
        let phc = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).ok()?,
            salt: Some(Salt::new(salt).ok()?),
            hash: Some(output),
        };
        Some(Hash { phc, params })
    }

    /// Reads a PHC string.
    ///
    /// # Errors
    /// [`BadHash`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Hash, BadHash> {
        let phc = PasswordHash::new(text).map_err(|_| BadHash::Form)?;
        if phc.algorithm.as_str() != Algorithm::Argon2id.as_str()
            || phc.version != Some(Version::V0x13.into())
        {
            return Err(BadHash::Algorithm);
        }
        if phc.salt.is_none() || phc.hash.is_none() {
            return Err(BadHash::Form);
        }
        let params = Params::try_from(&phc).map_err(|_| BadHash::Form)?;
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        if params.m_cost() > MOST_MEMORY_KIB || work > MOST_WORK || params.p_cost() > 16 {
            return Err(BadHash::Cost);
        }
        Ok(Hash { phc, params })
    }

    /// A hash that no password has; comparing with it takes as long as with any other.
    pub(super) fn of_nobody(cost: Cost) -> Option<Hash> {
        let output = Output::new(&[0; Params::DEFAULT_OUTPUT_LEN]).ok()?;
        Hash::with(&[0; SALT], cost.params()?, output)
    }

    /// Whether it is the hash of `password`: hashes that in `memory`, and compares in
    /// constant time.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> bool {
        let Some(salt) = &self.phc.salt else {
            return false;
        };
        let computed = compute(password, salt, &self.params, memory);
        // `Output` compares in constant time.
        computed.is_some_and(|computed| self.phc.hash == Some(computed))
    }
}

fn compute(password: &[u8], salt: &[u8], params: &Params, memory: &mut Memory) -> Option<Output> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut buffer = Zeroizing::new([0; Output::MAX_LENGTH]);
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let output = buffer.get_mut(..length)?;
    memory.lend(params.block_count(), |blocks| {
        argon2
            .hash_password_into_with_memory(password, salt, output, blocks)
            .ok()
    })?;
    Output::new(output).ok()
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.phc.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(hash: &Hash, password: &[u8]) -> bool {
        hash.matches(password, &mut Memory::none())
    }

    #[test]
    fn a_hash_is_read_as_it_was_written_and_knows_its_password() {
        let hash = Hash::of(b"open sesame", [7; SALT], Cost::LEAST).unwrap();
        let text = hash.to_string();
        assert!(text.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{text}");
        let read = Hash::parse(&text).unwrap();
        assert!(matches(&read, b"open sesame"));
        assert!(!matches(&read, b"open sesam"));
        assert!(!matches(&read, b""));
    }

    #[test]
    fn the_reference_implementation_agrees() {
        // Of argon2(1): echo -n password | argon2 somesalt -id -t 2 -k 1024 -l 32 -e
        let text = "$argon2id$v=19$m=1024,t=2,p=1$c29tZXNhbHQ$\
                    7FfsnA6vUe7qLpL/3Kqc3uR48ZJyFbUVt7jWZlf0Htk";
        assert!(matches(&Hash::parse(text).unwrap(), b"password"));
    }

    #[test]
    fn nobody_has_a_hash_that_costs_as_much() {
        let hash = Hash::of_nobody(Cost::default()).unwrap();
        let read = Hash::parse(&hash.to_string()).unwrap();
        assert_eq!(read.params.m_cost(), Cost::default().memory_kib);
        assert!(!matches(&read, b""));
    }

    #[test]
    fn other_hashes_and_hashes_without_end_are_refused() {
        let parse = |text: &str| Hash::parse(text).unwrap_err();
        assert_eq!(parse("secret"), BadHash::Form);
        assert_eq!(parse("$argon2id$v=19$m=8,t=1,p=1"), BadHash::Form);
        let argon2i = "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(parse(argon2i), BadHash::Algorithm);
        for cost in ["m=4294967295,t=1,p=1", "m=65536,t=4294967295,p=1"] {
            let text = format!("$argon2id$v=19${cost}$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA");
            assert_eq!(parse(&text), BadHash::Cost);
        }
    }
}
